"""The plans that a change's comment shows, and since when: `/apply` means one of these (promise 1).

A plan counts as shown once the forge has acknowledged the comment that shows it. The time is the one in the
forge's answer. It is compared with the time at which the `/apply` was written, by the forge's clock. The time
at which a delivery arrives or a status is set does not matter.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection
from datetime import datetime, timedelta

from bot.domain.events import RepoRef
from bot.domain.reports.posts import CommentPost
from bot.domain.runs.run import Run
from bot.services.ports import ForgeComment, Post, Transaction

NOT_SHOWN = "the newest plan was not shown here yet when you asked: look at it, and comment again"
NOT_WHOLE = "its plan does not fit into the comment"
JUST_SHOWN = (
    "the plan in the comment changed in the last seconds before you asked: look at it, and comment again"
)
WAS_DELAYED = (
    "the forge delayed Plangate's comment, so the plan was not shown here yet when you asked: "
    "look at it, and comment again"
)

# Longer than this, a post waits only if the forge does not take it. Edits are spaced by less.
_UNTROUBLED = timedelta(seconds=5)
_LINE_END = re.compile(r"[ \t]*\r?\n")


def summary_key(number: int) -> str:
    """Return the key of the comment that shows a change's plans."""
    return f"comment:{number}:summary"


def before_sending(tx: Transaction, post: Post) -> None:
    """Remove the plans that a comment's new text no longer shows."""
    shows, lists = _shows(post)
    shown = {run_id: at for run_id, at in post.shown.items() if run_id in shows}
    listed = {run_id: at for run_id, at in _seen(post).items() if run_id in shows or run_id in lists}
    if shown != post.shown or not listed.keys() >= post.listed.keys():
        tx.shown.keep(post, shown, listed, post.text_hash)


def acknowledged(tx: Transaction, post: Post, comment: ForgeComment, now: datetime) -> None:
    """Store since when a comment shows its plans. `now` is used if the forge's answer has no time."""
    at = comment.updated_at or comment.created_at or now
    shows, lists = _shows(post)
    shown = {run_id: post.shown.get(run_id, at) for run_id in shows}
    seen = _seen(post)
    listed = {run_id: seen.get(run_id, at) for run_id in (*lists, *(each for each in shows if each in seen))}
    tx.shown.keep(post, shown, listed, text_hash(comment.body))


def why_not_shown(
    tx: Transaction,
    repo: RepoRef,
    number: int,
    run: Run,
    asked_at: datetime,
    shown_for: timedelta,
    *,
    named: bool,
) -> str:
    """Return why a person who asked at that moment may not have seen a run's plan. Empty if they have.

    `asked_at` is by the forge's clock. `shown_for` is how long the comment must have shown the plan. A plan
    that did not fit into the comment counts as seen only by a person who `named` its workspace.
    """
    post = tx.shown.get(repo, summary_key(number))
    times = {} if post is None else _seen(post) if named else post.shown
    since = times.get(run.id)
    if since is None and post is not None and run.id in post.listed:
        return NOT_WHOLE
    if since is None or since > asked_at:
        return NOT_SHOWN
    return JUST_SHOWN if asked_at - since < shown_for else ""


def shown_whole(tx: Transaction, repo: RepoRef, number: int) -> Collection[str]:
    """Return the ids of the runs whose plans a change's comment shows whole."""
    post = tx.shown.get(repo, summary_key(number))
    return post.shown.keys() if post is not None else ()


def told_of(tx: Transaction, repo: RepoRef, number: int) -> Collection[str]:
    """Return the ids of the runs of whose plans a change's comment tells, whole or not."""
    post = tx.shown.get(repo, summary_key(number))
    return _seen(post).keys() if post is not None else ()


def why_delayed(tx: Transaction, repo: RepoRef, number: int, run: Run, now: datetime) -> str:
    """Say why the forge does not show a run's plan yet, although it is in the comment that we want to send.

    Empty if nothing delays the comment.
    """
    stands = tx.shown.get(repo, summary_key(number))
    waiting = tx.posts.undelivered(stands.subject) if stands is not None else ()
    post = next((each for each in waiting if each.key == summary_key(number)), None)
    if post is None or not any(run.id in ids for ids in _shows(post)):
        return ""
    held = post.not_before is not None and post.not_before - now > _UNTROUBLED
    return post.error or ("the forge limits us" if held else "")


def text_hash(body: str) -> str:
    """Return the hash by which a comment's text on the forge is compared with what we wrote.

    Forges may change line endings and trailing spaces.
    """
    text = _LINE_END.sub("\n", body).strip()
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()


def _seen(post: Post) -> dict[str, datetime]:
    """Return since when a comment tells of each plan, whole or not."""
    return {**post.shown, **post.listed}


def _shows(post: Post) -> tuple[tuple[str, ...], tuple[str, ...]]:
    content = post.content
    return (content.shows, content.lists) if isinstance(content, CommentPost) else ((), ())
