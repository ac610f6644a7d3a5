"""The merge that a change's plan is made of, and whether a plan is still one of it."""

from __future__ import annotations

from bot.domain.events import Change
from bot.domain.runs.merge_result import MergedCommit, MergeResult, why_outdated
from bot.domain.runs.run import Run
from bot.domain.workspaces.workspace import Workspace
from bot.services.ports import ChangeRecord, Transaction


def merged_commit(run: Run) -> MergedCommit:
    """Return the commit whose files a run plans, and how to make it again if it is a merge of our own."""
    if run.merge is None:
        return MergedCommit(run.commit)
    return MergedCommit(run.merge.commit, run.commit, run.merge.base, run.merge.first)


def newest_merge(record: ChangeRecord | None, workspace: Workspace) -> MergeResult | None:
    """Return the merge that a new plan of a change would be made of. None if the head itself is planned."""
    return record.merge if record is not None and workspace.merging.plans_merges else None


def merge_of(tx: Transaction, workspace: Workspace, change: Change) -> MergeResult | None:
    """Return the merge that a new plan of a change would be made of, by what is stored of the change."""
    if not workspace.merging.plans_merges:
        return None
    record = tx.changes.numbered(change.repo, change.number)
    same = record is not None and record.change.head_sha == change.head_sha
    return newest_merge(record, workspace) if same else None


def why_not_planned(tx: Transaction, workspace: Workspace, change: Change) -> str:
    """Say why a change can't be planned: it has conflicts. Empty if it can."""
    merge = merge_of(tx, workspace, change) if change.open else None
    return merge.why_conflicting if merge is not None and merge.conflicting else ""


def why_plan_outdated(record: ChangeRecord | None, workspace: Workspace, run: Run) -> str:
    """Say why a run's plan is not one of the change as it would be merged now. Empty if it is."""
    newest = newest_merge(record, workspace)
    if record is None or newest is None or not record.change.open or run.commit != record.change.head_sha:
        return ""
    if newest.conflicting:
        return newest.why_conflicting
    return why_outdated(run.merge, newest)
