"""Stops the runs of a change's older commits, and updates their approvals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from bot.domain.changes.delivery_decisions import DecisionKind
from bot.domain.events import Change
from bot.domain.runs.approval import ApprovalState
from bot.domain.runs.lifecycle import RunStatus
from bot.domain.runs.run import Run
from bot.domain.workspaces.workspace import Workspace
from bot.services.approvals.approvals import fell
from bot.services.outbox.delivery_result import DeliveryResult
from bot.services.ports import Transaction
from bot.services.runs.cancel import stopped
from bot.services.runs.transitions import Transitions


def stop_older(
    tx: Transaction,
    transitions: Transitions,
    runs: Sequence[Run],
    workspace: Workspace,
    change: Change,
    at: datetime,
    outcome: DeliveryResult,
) -> None:
    """Stop the runs of a change's older commits that have not begun to apply. Their approvals become void.

    If the workspace keeps approvals, they wait for the plan of the newer commit instead.
    """
    why = f"a newer commit was pushed: {change.head_sha[:8]}"
    if not workspace.merging.keep_approval:
        for kept in tx.approvals.of_change(workspace.id, change.number):
            if kept.state is ApprovalState.KEPT and kept.commit != change.head_sha:
                fell(tx, kept, why, at)
    for run in runs:
        begun = run.status is RunStatus.APPLYING
        if run.plan_only or run.final or begun or run.commit == change.head_sha:
            continue
        record = tx.approvals.get(run.approval.id) if run.approval and run.approval.id else None
        if record is not None and record.open:
            if workspace.merging.keep_approval and not run.delta:
                tx.approvals.save(replace(record, state=ApprovalState.KEPT, why=why))
            else:
                fell(tx, record, why, at)
        if moves := stopped(tx, transitions, run, why):
            transitions.save(tx, run, moves, outcome.wake)
            outcome.say(DecisionKind.DISCARDED, why, workspace.name, run.id)
