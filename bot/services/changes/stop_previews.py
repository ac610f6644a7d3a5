"""Stopping a run for a reason that is no person's: it is outdated, or its change was closed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from bot.domain.approval import ApprovalState
from bot.domain.events import Change
from bot.domain.lifecycle import RunStatus
from bot.domain.run import Run
from bot.domain.workspace import Workspace
from bot.services.approving import fell
from bot.services.outcome import Outcome
from bot.services.ports import Transaction
from bot.services.transitions import Transitions, Wake, lease_of


def stopped(tx: Transaction, transitions: Transitions, run: Run, why: str, at: datetime, wake: Wake) -> bool:
    """Discard a run that waits, else have whoever is at work on it stop; False where nothing can be done."""
    if run.discardable:
        steps = [transitions.moved(run, RunStatus.DISCARDED, "plangate", why)]
    elif run.cancelable:
        asked = transitions.event(run, "cancel requested", "plangate", why)
        wish = replace(run, cancel_requested_by="plangate", cancel_requested_at=at)
        steps = [(wish, asked)]
        if not tx.leases.held([lease_of(run.id)], at):
            steps.append(transitions.moved(wish, RunStatus.CANCELED, "plangate", why))
    else:
        return False
    saved = run
    for moved, event in steps:
        saved = tx.runs.save(replace(moved, version=saved.version), event)
    transitions.after(tx, run, saved, wake)
    return True


def stop_older(
    tx: Transaction,
    transitions: Transitions,
    runs: Sequence[Run],
    workspace: Workspace,
    change: Change,
    at: datetime,
    outcome: Outcome,
) -> None:
    """Stop the runs of a change's older commits that have not begun to apply; their approvals fall.

    Where the workspace keeps approvals, they wait for the plan of the newer commit instead.
    """
    why = f"a newer commit came: {change.head_sha[:8]}"
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
        if stopped(tx, transitions, run, why, at, outcome.wake):
            outcome.say("discarded", why, workspace.name, run.id)
