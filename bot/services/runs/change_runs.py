"""The runs of a change, and the branch's runs after its merge. Newest first."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from bot.domain.events import Change
from bot.domain.runs.run import Run, RunSource
from bot.domain.workspaces.workspace import Workspace
from bot.services.ports import RunQuery, Transaction


def runs_about(tx: Transaction, workspace: Workspace, change: Change) -> Sequence[Run]:
    """Return a workspace's runs for a change. The branch's runs of its merge come first."""
    return (*runs_of_merge(tx, workspace, change), *runs_of_change(tx, workspace, change))


def runs_of_change(tx: Transaction, workspace: Workspace, change: Change) -> Sequence[Run]:
    """Return the change's runs in a workspace, without runs of the merge queue's commits."""
    found = tx.runs.find(RunQuery(workspace_id=workspace.id, change_number=change.number, limit=None))
    return [run for run in found if run.source is not RunSource.QUEUE]


def runs_everywhere(tx: Transaction, change: Change) -> dict[str, list[Run]]:
    """Return the change's runs by the ids of their workspaces, without runs of the merge queue's commits."""
    found = tx.runs.find(RunQuery(repo=change.repo, change_number=change.number, limit=None))
    return by_workspace(run for run in found if run.source is not RunSource.QUEUE)


def runs_of_merge(tx: Transaction, workspace: Workspace, change: Change) -> Sequence[Run]:
    """Return the branch's runs of the commit that merged a change."""
    if not change.merged or not change.merge_sha:
        return ()
    query = RunQuery(workspace_id=workspace.id, commit=change.merge_sha, plan_only=False, limit=None)
    return [run for run in tx.runs.find(query) if run.change_number is None]


def all_runs_of_merge(tx: Transaction, change: Change, workspace_ids: Sequence[str]) -> Sequence[Run]:
    """Return the branch's runs of the commit that merged a change, in the workspaces that it touches."""
    if not change.merged or not change.merge_sha:
        return ()
    query = RunQuery(repo=change.repo, commit=change.merge_sha, plan_only=False, limit=None)
    ours = frozenset(workspace_ids)
    return [r for r in tx.runs.find(query) if r.change_number is None and r.workspace_id in ours]


def runs_to_report(tx: Transaction, change: Change, workspace_ids: Sequence[str]) -> Sequence[Run]:
    """Return the runs that a change's reports tell of, whatever their number.

    Plans of older commits are read only if a workspace has no run of the latest commit.
    """
    query = RunQuery(repo=change.repo, change_number=change.number, telling=change.head_sha, limit=None)
    found = tx.runs.find(query)
    latest = {run.workspace_id for run in found if run.commit == change.head_sha}
    if latest and latest.issuperset(workspace_ids):
        return found
    return tx.runs.find(replace(query, telling=None))


def by_workspace(runs: Iterable[Run]) -> dict[str, list[Run]]:
    """Return the runs of each workspace, by its id. Keeps the order."""
    found: dict[str, list[Run]] = {}
    for run in runs:
        found.setdefault(run.workspace_id, []).append(run)
    return found
