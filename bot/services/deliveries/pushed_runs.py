"""Creates the runs of a push or a tag. Runs of workspaces that depend on others wait for the others' runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from bot.domain.changes.decisions import Decision, NoRun, StartRun
from bot.domain.changes.delivery_decisions import DecisionKind
from bot.domain.errors import Conflict
from bot.domain.events import BranchPushed, TagPushed
from bot.domain.runs.merge_result import AsApplied
from bot.domain.runs.run import Run, RunSource
from bot.domain.workspaces.order import Order
from bot.services.outbox.delivery_result import DeliveryResult
from bot.services.ports import RunQuery, Transaction
from bot.services.runs.create import RunFactory, commit_of
from bot.services.runs.order import after

AT_ONCE = 50
"""How many runs are created in one transaction. Nobody else writes to SQLite meanwhile."""


class PushedRuns:
    """The runs of one push, created a part at a time. Each comes after those that it waits for.

    If the process dies between two parts, the delivery is still due. The next attempt finds the runs that are
    there and creates the others.
    """

    def __init__(
        self,
        run_factory: RunFactory,
        event: BranchPushed | TagPushed,
        decisions: Sequence[Decision],
        applied: Mapping[str, AsApplied],
        outcome: DeliveryResult,
    ) -> None:
        """`applied` has the runs that have applied the same files before, by workspace."""
        self._run_factory = run_factory
        self.event = event
        self._applied = applied
        self.outcome = outcome
        for decision in decisions:
            if isinstance(decision, NoRun):
                outcome.say(DecisionKind.NOTHING, decision.reason, decision.workspace_name)
        started = [each for each in decisions if isinstance(each, StartRun)]
        self._reasons = {each.workspace.id: each.reason for each in started}
        self._order = Order(each.workspace for each in started)
        self._left = list(self._order.sorted())
        self._made: dict[str, Run] = {}
        self._there: Mapping[str, Run] | None = None

    @property
    def all_there(self) -> bool:
        """Whether every run is there."""
        return not self._left

    def create_some(self, tx: Transaction) -> None:
        """Create the next runs. Raises Conflict if a workspace has changed since the decision."""
        part, self._left = self._left[:AT_ONCE], self._left[AT_ONCE:]
        if self._there is None:
            # Those that another delivery creates later raise Conflict: the commit has one in each workspace.
            self._there = _runs_of_commit(tx, self.event)
        new = []
        for workspace in part:
            if run := self._there.get(workspace.id):
                words = "this commit has a run here already"
                self.outcome.say(DecisionKind.NOTHING, words, workspace.name, run.id)
            else:
                why, waits_for = self._reasons[workspace.id], after(workspace, self._order, self._made)
                applied = self._applied.get(workspace.id)
                run = self._run_factory.of_push(workspace, self.event, applied, waits_for)
                self.outcome.say(DecisionKind.RUN, why, workspace.name, run.id)
                new.append((run, why))
            self._made[workspace.id] = run
        self._run_factory.add_all(tx, new, self.outcome.wake)
        # Only now: nobody else can change the workspaces until the transaction ends.
        decided = {workspace.id: workspace for workspace in part}
        for run, _ in new:
            workspace = decided[run.workspace_id]
            if replace(tx.workspaces.get(workspace.id), lock=workspace.lock) != workspace:
                raise Conflict(f"the workspace {workspace.name} was changed meanwhile")


def _runs_of_commit(tx: Transaction, event: BranchPushed | TagPushed) -> Mapping[str, Run]:
    """Return the runs that a push or a tag of this commit has made, by workspace."""
    query = RunQuery(repo=event.repo, commit=commit_of(event), plan_only=False, limit=None)
    found = (run for run in tx.runs.find(query) if run.source in (RunSource.PUSH, RunSource.TAG))
    return {run.workspace_id: run for run in found}
