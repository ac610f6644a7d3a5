"""A retry of an apply that failed half-way: it has its approval, for exactly the rest (promise 1).

Whether its plan is the rest is decided once it is made (`approvals/left_of_plan`).
"""

from __future__ import annotations

from dataclasses import replace

from bot.domain.ids import new_id
from bot.domain.runs.approval import ApprovalRecord, ApprovalState
from bot.domain.runs.lifecycle import RunStatus, StageStatus
from bot.domain.runs.run import Approval, RestOf, Run
from bot.services.ports import Transaction


def may_be_continued(run: Run) -> bool:
    """Whether a run's apply was confirmed by a person and failed, so that a retry may go on with the rest."""
    failed = run.status is RunStatus.ERRORED and run.apply_status is StageStatus.ERRORED
    return failed and not run.plan_only and not (run.auto_apply and run.change_number is None)


def approval_of_failed_apply(tx: Transaction, run: Run) -> ApprovalRecord | None:
    """Return the approval under which a run began an apply that failed. None if there is none.

    An apply that a person canceled needs a new approval, and so does one that nobody approved.
    """
    if not may_be_continued(run):
        return None
    record = tx.approvals.of_apply(run.id)
    return record if record is not None and record.state is ApprovalState.USED else None


def going_on(tx: Transaction, retry: Run, old: Run, record: ApprovalRecord) -> Run:
    """Return the retry with the approval of the old run's plan, as given then, and store a record of it."""
    again = replace(
        record,
        id=new_id("apv"),
        digest=old.digest,
        shown_run_id=old.id,
        state=ApprovalState.STANDING,
        run_id=retry.id,
        why=f"for the rest of {old.id}",
        ended_at=None,
    )
    tx.approvals.add(again)
    approval = Approval(record.by, old.digest, old.id, record.at, again.id)
    return replace(retry, approval=approval, rest_of=RestOf(old.id))
