"""Records of approvals: given by `/apply`, used by the run that applies, or void, with the reason."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from bot.domain.ids import new_id
from bot.domain.people.permissions import Person
from bot.domain.runs.approval import ApprovalRecord, ApprovalState
from bot.domain.runs.lifecycle import LABELS
from bot.domain.runs.run import Run
from bot.services.plans.plan_inputs import saved_inputs
from bot.services.ports import Transaction


def approve(tx: Transaction, shown: Run, person: Person, at: datetime) -> ApprovalRecord:
    """Store that a person approved the plan of a run."""
    versions = dict.fromkeys(check.version for check in tx.policies.of_run(shown.id))
    basis = saved_inputs(tx, shown.id)
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
        forge=person.origin.forge,
        uid=person.origin.uid,
        configuration=basis.configuration if basis else "",
        files=basis.files if basis else "",
        providers=basis.providers if basis else "",
    )
    tx.approvals.add(record)
    return record


OTHER_MATERIALS = (
    "the plan is the one that was approved, but it was made from other files or other providers than that one"
)


def used(tx: Transaction, record: ApprovalRecord, run: Run, at: datetime) -> None:
    """Store that a run applies an approved plan."""
    tx.approvals.save(replace(record, state=ApprovalState.USED, run_id=run.id, ended_at=at))


def made_again(tx: Transaction, record: ApprovalRecord, shown: Run) -> ApprovalRecord:
    """Return a new record of an approval, as one of the plan that was made again on another base."""
    basis = saved_inputs(tx, shown.id)
    configuration, files = (basis.configuration, basis.files) if basis else ("", "")
    return replace(record, id=new_id("apv"), shown_run_id=shown.id, configuration=configuration, files=files)


def keep(tx: Transaction, record: ApprovalRecord, why: str) -> None:
    """Keep an approval for another plan. It replaces earlier ones that wait."""
    for other in tx.approvals.of_change(record.workspace_id, record.change_number or 0):
        if other.state is ApprovalState.KEPT and other.id != record.id:
            fell(tx, other, "approved again", record.at)
    tx.approvals.save(replace(record, state=ApprovalState.KEPT, why=why))


def fell(tx: Transaction, record: ApprovalRecord, why: str, at: datetime) -> None:
    """Store that an approval is void, and why."""
    tx.approvals.save(replace(record, state=ApprovalState.FALLEN, why=why, ended_at=at))


def settle(tx: Transaction, before: Run | None, run: Run, at: datetime) -> None:
    """Update the approval that a run was created for, in the transaction of the run's step."""
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
    """Return the approval that waits for another plan of the change. None if there is none."""
    if shown.change_number is None:
        return None
    found = tx.approvals.of_change(shown.workspace_id, shown.change_number)
    return next((each for each in found if each.state is ApprovalState.KEPT), None)
