"""Approvals given elsewhere: for an older commit of the change, or on the change that a commit merged.

A run continues because of one if its plan is the approved one. Its requirements are checked again first,
because a review may have been withdrawn, and counts only for its own commit.
"""

from __future__ import annotations

from bot.domain.runs.approval import ApprovalRecord, ApprovalState
from bot.domain.runs.run import Run, RunSource
from bot.services.approvals.covered import covers
from bot.services.plans.plan_inputs import made_from_the_same
from bot.services.ports import Transaction

_OF_A_COMMIT = (RunSource.PUSH, RunSource.TAG)


def approved_before_merge(tx: Transaction, run: Run) -> ApprovalRecord | None:
    """Return the approval that lets a run of the branch continue: of the merged change and the same plan."""
    record = _with_the_plan_of_the_merge(tx, run)
    return record if record is not None and made_from_the_same(tx, record, run) else None


def carried_over(tx: Transaction, run: Run) -> ApprovalRecord | None:
    """Return the approval of an older commit that a run was created for and whose plan is the run's plan."""
    record = _with_the_plan_of_an_older_commit(tx, run)
    return record if record is not None and made_from_the_same(tx, record, run) else None


def made_from_others(tx: Transaction, run: Run) -> bool:
    """Whether only other files or providers stop a run from continuing with an approval given elsewhere."""
    if run.approval is not None:
        record = _with_the_plan_of_an_older_commit(tx, run)
    else:
        record = _with_the_plan_of_the_merge(tx, run)
    return record is not None and not made_from_the_same(tx, record, run)


def _with_the_plan_of_the_merge(tx: Transaction, run: Run) -> ApprovalRecord | None:
    if run.source not in _OF_A_COMMIT or run.change_number is not None or not run.has_changes:
        return None
    workspace = tx.workspaces.get(run.workspace_id)
    merged = tx.changes.merged_as(workspace.repo, run.commit)
    if merged is None or not workspace.merging.apply_when.after:
        return None
    found = tx.approvals.of_change(workspace.id, merged.change.number)
    kept = (each for each in found if each.state is ApprovalState.KEPT)
    return next((each for each in kept if covers(tx, each.digest, each.shown_run_id, run)), None)


def _with_the_plan_of_an_older_commit(tx: Transaction, run: Run) -> ApprovalRecord | None:
    approval = run.approval
    if approval is None or not approval.id:
        return None
    record = tx.approvals.get(approval.id)
    if not record.open or record.commit == run.commit:
        return None
    return record if covers(tx, approval.digest, approval.shown_run_id, run) else None


def to_be_asked(tx: Transaction, run: Run) -> ApprovalRecord | None:
    """Return the approval with which a waiting run continues if it meets its requirements, else None."""
    if not run.awaits_confirmation or run.lacks:
        return None
    return carried_over(tx, run) if run.approval is not None else approved_before_merge(tx, run)
