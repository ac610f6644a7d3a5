"""What becomes of an approval when its change gets a newer commit: it falls, or waits for an equal plan.

For one workspace at a time: what the newer commit leaves alone elsewhere is not touched. That a plan is to be
held against a kept approval is wanted in the transaction that finishes it (see `wanting`), so none is missed.
"""

from __future__ import annotations

from bot.domain.run import Run
from bot.domain.workspace import Workspace
from bot.services.approving import fell, kept_approval
from bot.services.changes import Changed
from bot.services.making import NewRuns
from bot.services.outcome import Outcome
from bot.services.ports import Delivery, Store, Transaction
from bot.services.transitions import Transitions
from bot.services.wanting import wanted_by


class Carrying:
    """Holds a finished plan of a change against the approval that was kept for it."""

    def __init__(self, store: Store, changed: Changed, new_runs: NewRuns, transitions: Transitions) -> None:
        self._store = store
        self._changed = changed
        self._new_runs = new_runs
        self._transitions = transitions

    def planned(self, delivery: Delivery, outcome: Outcome) -> None:
        """Make the run that goes on by itself where the plan is the approved one. Raises Conflict."""
        run_id, workspace_id = wanted_by(delivery)
        with self._store.transaction() as tx:
            if not self._changed.is_due(tx, delivery.id):
                return
            shown, workspace = tx.runs.get(run_id), tx.workspaces.get(workspace_id)
            self._carry(tx, shown, workspace, outcome)
            self._changed.done(tx, delivery.id, outcome)
        self._transitions.wake(outcome.wake)

    def _carry(self, tx: Transaction, shown: Run, workspace: Workspace, outcome: Outcome) -> None:
        number = shown.change_number
        record = tx.changes.numbered(workspace.repo, number) if number is not None else None
        kept = kept_approval(tx, shown)
        if record is None or kept is None:
            return outcome.say("nothing", "no approval waits for this plan", workspace.name)
        if not record.change.open or record.change.head_sha != shown.commit:
            return outcome.say("nothing", "this is not the change's latest commit any more", workspace.name)
        if kept.digest != shown.digest or not shown.has_changes:
            why = f"the plan of {shown.commit[:8]} is not the one that was approved"
            fell(tx, kept, why, self._changed.now())
            outcome.say("nothing", why, workspace.name)
        elif not workspace.merging.apply_when.before:
            why = f"{kept.by} has approved this plan, to be applied once the change is merged"
            outcome.say("nothing", why, workspace.name)
        else:
            run = self._new_runs.of_approval(tx, workspace, record.change, shown, kept, outcome.wake)
            why = f"the plan equals the one that {kept.by} approved for {kept.commit[:8]}"
            tx.runs.note(self._transitions.event(run, "approval carried over", kept.by, why))
            outcome.say("run", why, workspace.name, run.id)
        self._transitions.report(tx, record.id, outcome.wake)
        return None
