"""Whether the plan of a merge queue's commit is what was approved: decided in the plan's transaction."""

from __future__ import annotations

from collections.abc import Iterator

from bot.domain.approval import ApprovalRecord
from bot.domain.delta import sentence
from bot.domain.run import Run
from bot.domain.workspace import Workspace
from bot.services.neighbours import MOST_NEIGHBOURS
from bot.services.ports import Transaction
from bot.services.showing import shown_delta


def why_not_approved(tx: Transaction, run: Run) -> str:
    """Say why the plan of a queue's commit is not what was approved, empty where it is.

    A plan without changes needs no approval: what it would do is done.
    """
    if not run.has_changes or run.change_number is None:
        return ""
    workspace, number = tx.workspaces.get(run.workspace_id), run.change_number
    if not workspace.merging.apply_when.after:
        return f"changes are left that were not applied before the merge: comment /apply on change {number}"
    found = [record for record in _approvals(tx, workspace, number) if record.open]
    if any(record.digest == run.digest for record in found):
        return ""
    mine = next((record for record in found if record.change_number == number), None)
    if mine is None:
        return f"nobody has approved its plan on change {number}: comment /apply there, and queue it again"
    rows = shown_delta(tx, mine.shown_run_id, run.id)
    since = sentence(rows) if rows else ""
    return f"not what {mine.by} approved: {since or 'the same resources, made in another way'}"


def _approvals(tx: Transaction, workspace: Workspace, number: int) -> Iterator[ApprovalRecord]:
    """Yield what was approved on the change, and on others that the group may hold beside it."""
    yield from tx.approvals.of_change(workspace.id, number)
    for record in tx.changes.open_of(workspace.repo, MOST_NEIGHBOURS):
        if record.change.number != number and workspace.id in record.workspace_ids:
            yield from tx.approvals.of_change(workspace.id, record.change.number)
