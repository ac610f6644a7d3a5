"""Automerge: derives the post of a merge, which is retried until the forge allows it.

The post names the applied commit. The forge compares it, so no other commit is merged (promise 1). While
something prevents the merge, the change says what (promise 7).
"""

from __future__ import annotations

from bot.domain.changes.automerge import AutoMerge, TouchedWorkspace, automerge
from bot.domain.reports.posts import MergePost
from bot.domain.reports.speaking_run import speaking_run
from bot.domain.runs.approval import ApprovalState
from bot.services.plans.plan_inputs import state_has_moved
from bot.services.ports import ChangeRecord, Post, RunQuery, Transaction


def decided(tx: Transaction, record: ChangeRecord) -> AutoMerge | None:
    """Decide from the database whether a change is merged automatically. None if it never is."""
    workspaces = (tx.workspaces.get(each) for each in record.workspace_ids)
    if not record.change.open or not any(each.merging.automerge for each in workspaces):
        return None
    return automerge(record.change, [_part(tx, record, each) for each in record.workspace_ids])


def merge_posts(tx: Transaction, record: ChangeRecord, merge: AutoMerge | None) -> list[Post]:
    """Return the post of the merge, and the replacement of an earlier one that is outdated."""
    change = record.change
    ready = merge is not None and merge.ready
    if not ready and not any(post.key == _key(change.number) for post in tx.posts.undelivered(record.id)):
        return []
    sha, method = change.head_sha if ready else "", merge.method if merge else None
    content = MergePost(change.number, sha, method)
    return [Post(record.id, change.repo, _key(change.number), content)]


def said_of_merge(
    tx: Transaction, record: ChangeRecord, merge: AutoMerge | None, *, all_: bool = False
) -> str:
    """Say why a change is not merged although people may expect it. `all_` includes permanent reasons."""
    if merge is None:
        return ""
    posts = tx.posts.undelivered(record.id) if merge.ready else ()
    head = record.change.head_sha
    mine = (post for post in posts if post.key == _key(record.change.number))
    refused = next((p.error for p in mine if isinstance(p.content, MergePost) and p.content.sha == head), "")
    return merge.said(refused) if all_ or merge.left or refused else ""


def is_merge(post: Post) -> bool:
    """Whether a post is a merge: the change's other posts are delivered before it."""
    return isinstance(post.content, MergePost)


def _key(number: int) -> str:
    return f"merge:{number}"


def _part(tx: Transaction, record: ChangeRecord, workspace_id: str) -> TouchedWorkspace:
    change, workspace = record.change, tx.workspaces.get(workspace_id)
    query = RunQuery(
        workspace_id=workspace_id, change_number=change.number, commit=change.head_sha, limit=None
    )
    runs = tx.runs.find(query)
    run = speaking_run(runs)
    approved = run is not None and approved_for_merge(tx, record, workspace_id, run.digest)
    outdated = run is not None and run.plan_only and state_has_moved(tx, run)
    return TouchedWorkspace(workspace, runs, bool(approved), outdated)


def approved_for_merge(tx: Transaction, record: ChangeRecord, workspace_id: str, digest: str) -> str:
    """Say who approved a plan that is applied after the merge. Empty if nobody has."""
    if not digest or tx.workspaces.get(workspace_id).merging.apply_when.before:
        return ""
    found = tx.approvals.of_change(workspace_id, record.change.number)
    kept = (each for each in found if each.state is ApprovalState.KEPT and each.digest == digest)
    return next((each.by for each in kept), "")
