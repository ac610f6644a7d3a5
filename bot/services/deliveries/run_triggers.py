"""Run triggers: a successful apply starts runs in the workspaces that name its workspace.

That a run is wanted is kept in the transaction that marks the run applied, as a delivery of our own: so it is
accepted once, handled by a worker that asks the forge, tried again while the forge is away, found by the
sweep if everything was lost, and shown with the forges' deliveries (promise 3).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from bot.services.carrying import Carrying
from bot.services.changes import Changed
from bot.services.going_on import GoingOn
from bot.services.making import NewRuns
from bot.services.outcome import Outcome
from bot.services.ports import Delivery, ForgeReader, Store
from bot.services.siblings import Siblings
from bot.services.transitions import Transitions
from bot.services.wanting import APPLIED, ASKED, OUTDATED, PLANNED, wanted_by


class Following:
    """Makes the runs that another workspace's apply has called for."""

    def __init__(
        self,
        store: Store,
        forges: Mapping[str, ForgeReader],
        changed: Changed,
        new_runs: NewRuns,
        transitions: Transitions,
        siblings: Siblings,
        going_on: GoingOn,
    ) -> None:
        self._store = store
        self._forges = forges
        self._changed = changed
        self._new_runs = new_runs
        self._transitions = transitions
        self._others: dict[str, Callable[[Delivery, Outcome], None]] = {
            APPLIED: self._follow,
            PLANNED: Carrying(store, changed, new_runs, transitions).planned,
            ASKED: going_on.asked,
            OUTDATED: siblings.applied,
        }

    def handle(self, delivery: Delivery, outcome: Outcome) -> None:
        """Do what a run has called for. Raises ForgeUnavailable, ForgeRefused, NotFound, Conflict."""
        return self._others[delivery.event](delivery, outcome)

    def _follow(self, delivery: Delivery, outcome: Outcome) -> None:
        """Make the run on the current commit of its workspace's branch."""
        applied, workspace_id = wanted_by(delivery)
        with self._store.reading() as tx:
            workspace = tx.workspaces.get(workspace_id)
        if not workspace.active:
            return self._changed.nothing(delivery.id, outcome, f"{workspace.name} was put aside meanwhile")
        branch, commit = self._forges[workspace.repo.forge].branch_head(workspace.repo, workspace.branch)
        with self._store.transaction() as tx:
            if not self._changed.is_due(tx, delivery.id):
                return None
            cause = tx.runs.get(applied)
            source = tx.workspaces.get(cause.workspace_id)
            why = f"{cause.id} was applied in {source.name}"
            run = self._new_runs.of_trigger(tx, workspace, branch, commit, cause, why, outcome.wake)
            outcome.say("run", why, workspace.name, run.id)
            self._changed.done(tx, delivery.id, outcome)
        self._transitions.wake(outcome.wake)
        return None
