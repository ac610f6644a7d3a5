"""Approvals as records: given by `/apply`, used by the run that applies, or fallen, with the reason."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from bot.domain.approval import ApprovalRecord, ApprovalState
from bot.domain.ids import new_id
from bot.domain.lifecycle import LABELS
from bot.domain.permissions import Person
from bot.domain.run import Run
from bot.services.ports import Transaction


def approve(tx: Transaction, shown: Run, person: Person, at: datetime) -> ApprovalRecord:
    """Keep that a person approved the plan which a run shows."""
    versions = dict.fromkeys(check.version for check in tx.policies.of_run(shown.id))
    record = ApprovalRecord(
        id=new_id("apv"),
        workspace_id=shown.workspace_id,
        change_number=shown.change_number,
        commit=shown.commit,
        digest=shown.digest,
        shown_run_id=shown.id,
        by=person.login,
        role=person.role,
        at=at,
        policy_versions=tuple(versions),
    )
    tx.approvals.add(record)
    return record


def used(tx: Transaction, record: ApprovalRecord, run: Run, at: datetime) -> None:
    """Keep that a run applies what was approved."""
    tx.approvals.save(replace(record, state=ApprovalState.USED, run_id=run.id, ended_at=at))


def keep(tx: Transaction, record: ApprovalRecord, why: str) -> None:
    """Have an approval wait for another plan, in place of earlier ones that do."""
    for other in tx.approvals.of_change(record.workspace_id, record.change_number or 0):
        if other.state is ApprovalState.KEPT and other.id != record.id:
            fell(tx, other, "approved anew", record.at)
    tx.approvals.save(replace(record, state=ApprovalState.KEPT, why=why))


def fell(tx: Transaction, record: ApprovalRecord, why: str, at: datetime) -> None:
    """Keep that an approval is worth nothing any more, and why."""
    tx.approvals.save(replace(record, state=ApprovalState.FALLEN, why=why, ended_at=at))


def settle(tx: Transaction, before: Run | None, run: Run, at: datetime) -> None:
    """Keep what a run's step means for the approval that it was made for, in the step's transaction."""
    if run.approval is None or not run.approval.id:
        return
    record = tx.approvals.get(run.approval.id)
    if record.state is not ApprovalState.STANDING or record.run_id != run.id:
        return
    if run.confirmed_by and not (before and before.confirmed_by):
        if run.digest == record.digest:
            used(tx, record, run, at)
        else:
            fell(tx, record, "another plan was confirmed", at)
    elif run.delta:
        fell(tx, record, f"the plan changed: {run.delta}", at)
    elif run.final:
        why = f": {run.error}" if run.error else ""
        fell(tx, record, f"{run.id} ended as {LABELS[run.status].lower()}{why}", at)


def kept_approval(tx: Transaction, shown: Run) -> ApprovalRecord | None:
    """Return the approval that waits for another plan of the change, None where none does."""
    if shown.change_number is None:
        return None
    found = tx.approvals.of_change(shown.workspace_id, shown.change_number)
    return next((each for each in found if each.state is ApprovalState.KEPT), None)
