"""Plans again what gets outputs that an apply has changed: previews of changes, and runs of the branch.

Limited for each apply, as for previews that an apply has outdated.
"""

from __future__ import annotations

from bot.domain.changes.delivery_decisions import DecisionKind
from bot.domain.runs.lifecycle import RunStatus
from bot.domain.runs.run import Run
from bot.domain.workspaces.workspace import Workspace
from bot.services.outbox.delivery_result import DeliveryResult
from bot.services.plans.handed_outputs import HandedOutputs, has_same_outputs
from bot.services.ports import ChangeRecord, RunQuery, Transaction
from bot.services.runs.create import RunFactory
from bot.services.runs.merge_results import why_not_planned
from bot.services.runs.transitions import Transitions


class NewOutputs:
    """Plans again what was planned with other outputs: at most `limit` other changes after an apply."""

    def __init__(self, run_factory: RunFactory, transitions: Transitions, limit: int) -> None:
        self._run_factory = run_factory
        self._transitions = transitions
        self._limit = limit

    def plan_again(
        self,
        tx: Transaction,
        workspace: Workspace,
        cause: Run,
        handed: HandedOutputs,
        outcome: DeliveryResult,
    ) -> None:
        """Plan changes again in a workspace if their previews had other outputs, its own first."""
        left = self._limit if workspace.merging.replan_siblings else 0
        # A run in the queue reads them when it starts.
        queued = {run.change_number for run in tx.runs.queue(workspace.id)}
        records = tx.changes.open_of(workspace.repo, None, workspace.id)
        for record in sorted(records, key=lambda each: each.change.number != cause.change_number):
            own = record.change.number == cause.change_number
            preview = None if record.change.number in queued else _preview(tx, workspace, record)
            if preview is None or has_same_outputs(tx, preview, workspace, handed):
                continue
            name = f"{workspace.name}, change {record.change.number}"
            if conflict := why_not_planned(tx, workspace, record.change):
                outcome.say(DecisionKind.NOTHING, conflict, name)
                continue
            if not own and not left:
                outcome.say(DecisionKind.NOTHING, f"outdated by {cause.id}; /plan plans it again", name)
                continue
            left -= 0 if own else 1
            why = f"{cause.id} has changed the outputs that it gets"
            made = self._run_factory.preview(
                tx, workspace, record.change, "plangate", why, outcome.wake, preview.modes
            )
            self._transitions.report(tx, record.id, outcome.wake)
            outcome.say(DecisionKind.PREVIEW, why, name, made.id)


def why_nothing_new(tx: Transaction, workspace: Workspace, handed: HandedOutputs) -> str:
    """Say why the outputs need no run of the branch. Empty if they need one."""
    if handed.missing:
        return handed.missing
    query = RunQuery(workspace_id=workspace.id, plan_only=False, limit=1)
    newest = next(iter(tx.runs.find(query)), None)
    if newest is None:
        return "nothing was planned from the branch yet"
    if newest.status is RunStatus.PENDING:
        return f"{newest.id} reads its outputs when it starts"
    same = has_same_outputs(tx, newest, workspace, handed)
    return "the outputs that it gets are the same" if same else ""


def _preview(tx: Transaction, workspace: Workspace, record: ChangeRecord) -> Run | None:
    """Return the newest preview of a change's latest commit, if it has started. It may have failed.

    If there is none, nobody wanted a plan: a fork's code is planned only after a person asked (promise 5).
    """
    query = RunQuery(
        workspace_id=workspace.id,
        change_number=record.change.number,
        commit=record.change.head_sha,
        plan_only=True,
        limit=20,
    )
    found = (run for run in tx.runs.find(query) if run.status is not RunStatus.CANCELED)
    newest = next(found, None)
    return newest if newest is not None and newest.status is not RunStatus.PENDING else None
