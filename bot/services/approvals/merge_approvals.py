"""Approvals and merges: approvals wait for the branch, and let the branch's run continue.

The plan approved on the change is applied from the branch if the branch has the same plan (promise 1). The
forge may report the push or the merge first.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from bot.domain.changes.delivery_decisions import DecisionKind
from bot.domain.events import Change
from bot.domain.runs.approval import ApprovalRecord, ApprovalState
from bot.domain.runs.run import Run
from bot.domain.workspaces.workspace import Workspace
from bot.services.approvals.approvals import fell, used
from bot.services.approvals.approved_elsewhere import to_be_asked
from bot.services.outbox.delivery_result import DeliveryResult
from bot.services.outbox.outbox import ASKED, want
from bot.services.ports import Transaction
from bot.services.runs.change_runs import runs_of_merge
from bot.services.runs.confirm import confirmed
from bot.services.runs.transitions import Moves, Transitions


def goes_on(tx: Transaction, transitions: Transitions, run: Run, record: ApprovalRecord) -> Moves:
    """Return the steps by which a run applies a plan that was approved elsewhere."""
    used(tx, record, run, run.status_at)
    why = f"the plan equals the one approved on change {record.change_number} in {record.shown_run_id}"
    if record.digest != run.digest:
        why = f"{why}, but for values that are known now"
    return confirmed(transitions, run, record.by, why)


def keep_for_merge(tx: Transaction, workspace: Workspace, change: Change, run: Run) -> None:
    """Keep a run's approval for the branch's plan, if the workspace applies after the merge."""
    if run.plan_only or run.final or run.approval is None or not run.approval.id or run.delta:
        return
    record = tx.approvals.get(run.approval.id)
    if change.merged and record.open and workspace.merging.apply_when.after:
        tx.approvals.save(replace(record, state=ApprovalState.KEPT, why="waits for the branch's plan"))


def settle_merge(
    tx: Transaction, workspace: Workspace, change: Change, at: datetime, outcome: DeliveryResult
) -> None:
    """Check the branch's runs that waited for the merge. Without a merge, the approvals become void."""
    if not change.merged:
        for record in tx.approvals.of_change(workspace.id, change.number):
            if record.state is ApprovalState.KEPT:
                fell(tx, record, "the change was closed", record.at)
        return
    for run in runs_of_merge(tx, workspace, change):
        if to_be_asked(tx, run) is not None:
            outcome.wake.deliveries += want(tx, ASKED, run, at)
            why = f"its plan is approved on change {change.number}; what an apply needs is asked again"
            outcome.say(DecisionKind.ASKED, why, workspace.name, run.id)
