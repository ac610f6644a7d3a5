"""Approvals that were given elsewhere: for a change's older commit, or on the change that a commit merged.

A run goes on by itself because of one where its plan is the approved one; but not before what an apply needs
was asked again (see `going_on`): a review may have been taken back since, and counts for its commit alone.
"""

from __future__ import annotations

from bot.domain.approval import ApprovalRecord, ApprovalState
from bot.domain.run import Run, RunSource
from bot.services.ports import Transaction

_OF_A_COMMIT = (RunSource.PUSH, RunSource.TAG)


def approved_before_merge(tx: Transaction, run: Run) -> ApprovalRecord | None:
    """Return the approval that lets a run of the branch go on: of the change that it merged, and its plan."""
    if run.source not in _OF_A_COMMIT or run.change_number is not None or not run.has_changes:
        return None
    workspace = tx.workspaces.get(run.workspace_id)
    merged = tx.changes.merged_as(workspace.repo, run.commit)
    if merged is None or not workspace.merging.apply_when.after:
        return None
    found = tx.approvals.of_change(workspace.id, merged.change.number)
    kept = (each for each in found if each.state is ApprovalState.KEPT and each.digest == run.digest)
    return next(kept, None)


def carried_over(tx: Transaction, run: Run) -> ApprovalRecord | None:
    """Return the approval of an older commit that a run was made for, and whose plan is the run's."""
    approval = run.approval
    if approval is None or not approval.id or approval.digest != run.digest:
        return None
    record = tx.approvals.get(approval.id)
    return record if record.open and record.commit != run.commit else None


def to_be_asked(tx: Transaction, run: Run) -> ApprovalRecord | None:
    """Return the approval by which a run that waits goes on if it has what an apply needs, else None."""
    if not run.awaits_confirmation or run.lacks:
        return None
    return carried_over(tx, run) if run.approval is not None else approved_before_merge(tx, run)
