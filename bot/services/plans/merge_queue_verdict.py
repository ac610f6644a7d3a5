"""Compares the plan of a merge queue's commit with the approved plan, in the plan's transaction."""

from __future__ import annotations

from collections.abc import Iterator

from bot.domain.plans.delta import sentence
from bot.domain.runs.approval import ApprovalRecord
from bot.domain.runs.run import Run
from bot.domain.workspaces.workspace import Workspace
from bot.services.plans.plan_inputs import made_from_the_same
from bot.services.plans.shown_plan import shown_delta
from bot.services.ports import Transaction


def why_not_approved(tx: Transaction, run: Run) -> str:
    """Say why the plan of a queue's commit is not the approved one. Empty if it is.

    A plan without changes needs no approval.
    """
    if not run.has_changes or run.change_number is None:
        return ""
    workspace, number = tx.workspaces.get(run.workspace_id), run.change_number
    if not workspace.merging.apply_when.after:
        return f"changes are left that were not applied before the merge: comment /apply on change {number}"
    found = [record for record in _approvals(tx, workspace, number) if record.open]
    same = [record for record in found if record.digest == run.digest]
    if any(made_from_the_same(tx, record, run) for record in same):
        return ""
    if same:
        return f"made from other files or providers than the plan that {same[0].by} approved"
    mine = next((record for record in found if record.change_number == number), None)
    if mine is None:
        return f"nobody has approved its plan on change {number}: comment /apply there, and queue it again"
    rows = shown_delta(tx, mine.shown_run_id, run.id)
    since = sentence(rows) if rows else ""
    return f"not what {mine.by} approved: {since or 'the same resources, but another plan'}"


def _approvals(tx: Transaction, workspace: Workspace, number: int) -> Iterator[ApprovalRecord]:
    """Yield the approvals of the change, and of other changes that may be in the group."""
    yield from tx.approvals.of_change(workspace.id, number)
    for record in tx.changes.open_of(workspace.repo, None, workspace.id):
        if record.change.number != number:
            yield from tx.approvals.of_change(workspace.id, record.change.number)
