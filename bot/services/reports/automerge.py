"""Merging a change by itself, as a row of what should stand on the forge: derived, and tried with patience.

The row names the commit that was applied, and the forge compares it: no other is ever merged (promise 1).
Whatever stands in the way is said on the change, for as long as it does (promise 7).
"""

from __future__ import annotations

from bot.domain import headlines
from bot.domain.approval import ApprovalState
from bot.domain.automerge import AutoMerge, Part, automerge
from bot.services.basis import state_has_moved
from bot.services.ports import ChangeRecord, Post, RunQuery, Transaction


def decided(tx: Transaction, record: ChangeRecord) -> AutoMerge | None:
    """Decide from the database alone whether a change is to be merged by itself, None where it never is."""
    workspaces = (tx.workspaces.get(each) for each in record.workspace_ids)
    if not record.change.open or not any(each.merging.automerge for each in workspaces):
        return None
    return automerge(record.change, [_part(tx, record, each) for each in record.workspace_ids])


def merge_posts(tx: Transaction, record: ChangeRecord, merge: AutoMerge | None) -> list[Post]:
    """Return the row of the merge, and where there is one that holds no more, what takes its place."""
    change = record.change
    ready = merge is not None and merge.ready
    if not ready and not any(post.key == _key(change.number) for post in tx.posts.undelivered(record.id)):
        return []
    payload = {
        "kind": "merge",
        "number": str(change.number),
        "sha": change.head_sha if ready else "",
        "method": merge.method.value if merge and merge.method else "",
    }
    return [Post(record.id, change.repo, _key(change.number), payload)]


def said_of_merge(
    tx: Transaction, record: ChangeRecord, merge: AutoMerge | None, *, all_: bool = False
) -> str:
    """Say why a change is not merged though one may expect it; with `all_` where that stands anyhow."""
    if merge is None:
        return ""
    posts = tx.posts.undelivered(record.id) if merge.ready else ()
    mine = (p for p in posts if p.key == _key(record.change.number))
    refused = next((p.error for p in mine if p.payload["sha"] == record.change.head_sha), "")
    return merge.said(refused) if all_ or merge.left or refused else ""


def is_merge(post: Post) -> bool:
    """Whether a row is a merge: what else stands on the change goes out before it."""
    return post.payload["kind"] == "merge"


def _key(number: int) -> str:
    return f"merge:{number}"


def _part(tx: Transaction, record: ChangeRecord, workspace_id: str) -> Part:
    change, workspace = record.change, tx.workspaces.get(workspace_id)
    query = RunQuery(workspace_id=workspace_id, change_number=change.number, commit=change.head_sha)
    runs = tx.runs.find(query)
    run = headlines.current(runs)
    approved = run is not None and approved_for_merge(tx, record, workspace_id, run.digest)
    outdated = run is not None and run.plan_only and state_has_moved(tx, run)
    return Part(workspace, runs, bool(approved), outdated)


def approved_for_merge(tx: Transaction, record: ChangeRecord, workspace_id: str, digest: str) -> str:
    """Say who approved a plan to be applied once the change is merged, empty where nobody has."""
    if not digest or tx.workspaces.get(workspace_id).merging.apply_when.before:
        return ""
    found = tx.approvals.of_change(workspace_id, record.change.number)
    kept = (each for each in found if each.state is ApprovalState.KEPT and each.digest == digest)
    return next((each.by for each in kept), "")
