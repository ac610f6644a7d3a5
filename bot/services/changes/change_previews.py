"""The previews of a change, created a part at a time. So a change of many workspaces delays no webhook.

The stored change names the delivery that creates them until the last one is there. Until then the status of
its commit is pending, and its comment stays as it is. If the process dies between two parts, the delivery is
still due: the next attempt finds the previews that are there, and creates the others.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from bot.domain.changes.decisions import Decision, NoRun, StartRun
from bot.domain.changes.delivery_decisions import DecisionKind
from bot.domain.errors import Conflict
from bot.domain.events import Change
from bot.domain.runs.lifecycle import RunStatus
from bot.domain.runs.run import Run, RunSource
from bot.domain.workspaces.workspace import Workspace
from bot.services.outbox.delivery_result import DeliveryResult
from bot.services.ports import ChangeRecord, RunQuery, Transaction
from bot.services.runs.change_runs import by_workspace, runs_everywhere
from bot.services.runs.create import NEWER_PLAN, RunFactory
from bot.services.runs.merge_results import newest_merge, why_plan_outdated

AT_ONCE = 50
"""Of how many workspaces the previews are created in one transaction."""


class ChangePreviews:
    """The previews of one look at a change."""

    def __init__(
        self,
        run_factory: RunFactory,
        change: Change,
        decisions: Sequence[Decision],
        by: str,
        outcome: DeliveryResult,
    ) -> None:
        self._run_factory = run_factory
        self._change = change
        self._by = by
        self._outcome = outcome
        self._left = [each for each in decisions if isinstance(each, StartRun)]
        for decision in decisions:
            if isinstance(decision, NoRun):
                outcome.say(DecisionKind.NOTHING, decision.reason, decision.workspace_name)

    @property
    def all_there(self) -> bool:
        """Whether every preview is there."""
        return not self._left

    def create_some(self, tx: Transaction, record: ChangeRecord) -> None:
        """Create the next previews. `record` is the change as stored, which nobody else changes meanwhile.

        Raises Conflict if the change or a workspace is another one than at the decision.
        """
        stored, mine = record.change, self._change
        if (stored.head_sha, stored.base_branch, stored.open) != (mine.head_sha, mine.base_branch, True):
            raise Conflict(f"change {mine.number} has moved on meanwhile")
        part, self._left = self._left[:AT_ONCE], self._left[AT_ONCE:]
        ids = frozenset(each.workspace.id for each in part)
        query = RunQuery(repo=mine.repo, change_number=mine.number, workspace_ids=ids, limit=None)
        runs = by_workspace(run for run in tx.runs.find(query) if run.source is not RunSource.QUEUE)
        new = []
        for decision in part:
            if run := self._preview(tx, decision, runs.get(decision.workspace.id, ()), record):
                new.append((run, decision.reason))
        self._run_factory.add_all(tx, new, self._outcome.wake)
        # Only now: nobody else can change the workspaces until the transaction ends.
        decided = {each.workspace.id: each.workspace for each in part}
        for run, _ in new:
            workspace = decided[run.workspace_id]
            if replace(tx.workspaces.get(workspace.id), lock=workspace.lock) != workspace:
                raise Conflict(f"the workspace {workspace.name} was changed meanwhile")

    def _preview(
        self, tx: Transaction, decision: StartRun, runs: Sequence[Run], record: ChangeRecord
    ) -> Run | None:
        """Return the new preview of a workspace, None if it needs none. Cancels those that it outdates."""
        workspace, change, outcome = decision.workspace, self._change, self._outcome
        merge = newest_merge(record, workspace)
        if merge is not None and merge.conflicting:
            why = merge.why_conflicting
            self._run_factory.cancel_previews(tx, workspace, change, why, outcome.wake, runs)
            outcome.say(DecisionKind.NOTHING, why, workspace.name)
            return None
        if planned := _planned_before(runs, record, workspace):
            outcome.say(DecisionKind.NOTHING, f"this commit has a plan: {planned.id}", workspace.name)
            return None
        self._run_factory.cancel_previews(tx, workspace, change, NEWER_PLAN, outcome.wake, runs)
        run = self._run_factory.new_preview(tx, workspace, change, self._by, reusing=_earlier_plan(runs))
        outcome.say(DecisionKind.PREVIEW, decision.reason, workspace.name, run.id)
        return run

    def cancel_untouched(self, tx: Transaction, record: ChangeRecord) -> None:
        """Cancel the previews of workspaces that a newer commit no longer touches: they are outdated."""
        for workspace_id in sorted(runs_everywhere(tx, self._change).keys() - set(record.workspace_ids)):
            workspace = tx.workspaces.get(workspace_id)
            if workspace.active:
                why = "a newer commit no longer touches this workspace"
                self._run_factory.cancel_previews(tx, workspace, self._change, why, self._outcome.wake)


def _earlier_plan(runs: Sequence[Run]) -> Run | None:
    """Return the newest preview of these runs, newest first, if it has a plan made in the usual way."""
    newest = next((run for run in runs if run.plan_only and run.status is not RunStatus.CANCELED), None)
    has_plan = newest is not None and newest.status in (
        RunStatus.PLANNED_AND_FINISHED,
        RunStatus.POLICY_SOFT_FAILED,
    )
    return newest if newest is not None and has_plan and not newest.modes and newest.digest else None


def _planned_before(runs: Sequence[Run], record: ChangeRecord, workspace: Workspace) -> Run | None:
    """Return the run of the change's commit, and of its base, that is not to be made again."""
    of_commit = (run for run in runs if run.commit == record.change.head_sha)
    found = (run for run in of_commit if run.status is not RunStatus.CANCELED)
    return next((run for run in found if not why_plan_outdated(record, workspace, run)), None)


def taken_up(tx: Transaction, change: Change, delivery_id: str) -> ChangeRecord:
    """Lock the change for the next part. Raises Conflict if another delivery creates its previews now."""
    record = tx.changes.numbered(change.repo, change.number, for_update=True)
    if record is None or record.deciding != delivery_id:
        raise Conflict(f"change {change.number} was looked at meanwhile")
    return record


def decided_by(tx: Transaction, record: ChangeRecord, deciding: str) -> None:
    """Store which delivery creates the previews of a change; empty if all are there."""
    if record.deciding != deciding:
        tx.changes.put(replace(record, deciding=deciding))
