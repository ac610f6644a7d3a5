"""What a merge means: approvals that wait for the branch, and the branch's run that they let go on.

The plan that was approved on the change is applied from the branch where the branch's plan is the same one
(promise 1). Which of the two the forge tells first, the push or the merge, does not matter.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from bot.domain.approval import ApprovalRecord, ApprovalState
from bot.domain.events import Change
from bot.domain.run import Run, RunEvent
from bot.domain.workspace import Workspace
from bot.services.approved_elsewhere import to_be_asked
from bot.services.approving import fell, used
from bot.services.confirming import confirmed
from bot.services.outcome import Outcome
from bot.services.ports import RunQuery, Transaction
from bot.services.transitions import Transitions
from bot.services.wanting import ASKED, want


def runs_of_merge(tx: Transaction, workspace: Workspace, change: Change) -> Sequence[Run]:
    """Return the branch's own runs of the commit that merged a change, newest first."""
    if not change.merged or not change.merge_sha:
        return ()
    query = RunQuery(workspace_id=workspace.id, commit=change.merge_sha, plan_only=False)
    return [run for run in tx.runs.find(query) if run.change_number is None]


def goes_on(
    tx: Transaction, transitions: Transitions, run: Run, record: ApprovalRecord
) -> list[tuple[Run, RunEvent]]:
    """Return the steps by which a run applies what was approved elsewhere."""
    used(tx, record, run, run.status_at)
    why = f"the plan equals the one approved on change {record.change_number} in {record.shown_run_id}"
    return confirmed(transitions, run, record.by, why)


def keep_for_merge(tx: Transaction, workspace: Workspace, change: Change, run: Run) -> None:
    """Have a run's approval wait for the branch's plan, where the workspace applies after the merge."""
    if run.plan_only or run.final or run.approval is None or not run.approval.id or run.delta:
        return
    record = tx.approvals.get(run.approval.id)
    if change.merged and record.open and workspace.merging.apply_when.after:
        tx.approvals.save(replace(record, state=ApprovalState.KEPT, why="waits for the branch's plan"))


def settle_merge(
    tx: Transaction, workspace: Workspace, change: Change, at: datetime, outcome: Outcome
) -> None:
    """Have a run of the branch asked about that waited when the merge was told; without a merge all falls."""
    if not change.merged:
        for record in tx.approvals.of_change(workspace.id, change.number):
            if record.state is ApprovalState.KEPT:
                fell(tx, record, "the change was closed", record.at)
        return
    for run in runs_of_merge(tx, workspace, change):
        if to_be_asked(tx, run) is not None:
            outcome.wake.deliveries += want(tx, ASKED, run, at)
            why = f"its plan is approved on change {change.number}; what an apply needs is asked again"
            outcome.say("asked", why, workspace.name, run.id)
