"""What is new in a GitLab project: branch heads, merge requests, and the notes on those that were updated.

A conditional request would count against GitLab's limit like any other, so there are none: lists since a time
are short. A new note counts as an update of its merge request.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime

from bot.domain.errors import NotFound
from bot.domain.events import Change, CommentAdded, RepoRef
from bot.forges.fields import flag, moment, number, optional_number, optional_text, sha, text
from bot.forges.gitlab.api import Api
from bot.forges.gitlab.paths import project, segment
from bot.forges.gitlab.shapes import GHOST, answered_change
from bot.forges.gitlab.webhook import is_a_tokens_user
from bot.services.ports.catching_up import BranchHead, ForgeNews


class History:
    """Implements ForgeHistory through an API."""

    def __init__(self, api: Api) -> None:
        self._api = api

    def news(
        self,
        repo: RepoRef,
        branches: Sequence[str],
        since: datetime | None,
        marks: Mapping[str, str],  # noqa: ARG002  see above
    ) -> ForgeNews:
        """Return what is new: two calls, and one for each branch and for each updated merge request.

        Each hundred merge requests or notes are another call.
        """
        asked = _Asked(self._api, repo)
        with self._api.expecting(f"what is new in {repo.path}"):
            default = text(asked.get("", repo.path), "default_branch")
            names = dict.fromkeys(branch or default for branch in branches)
            heads = [_head(asked, name) for name in names]
            changes = list(_changes(asked, since, default))
            comments = [
                comment
                for change, _ in changes
                if since
                for comment in _comments(asked, change.number, since)
            ]
        return ForgeNews(
            default,
            tuple(head for head in heads if head is not None),
            tuple(change for change, _ in changes),
            tuple(comments),
            max((at for _, at in changes if at is not None), default=None),
            calls=asked.calls,
        )


class _Asked:
    """The requests of one look at a project."""

    def __init__(self, api: Api, repo: RepoRef) -> None:
        self._api = api
        self.repo = repo
        self.calls = 0

    def get(self, path: str, what: str) -> object:
        self.calls += 1
        return self._api.call("get", f"{project(self.repo)}{path}", what).data

    def pages(self, path: str, what: str, query: Mapping[str, str | int]) -> Iterator[list[object]]:
        for page in self._api.pages(f"{project(self.repo)}{path}", what, query):
            self.calls += 1
            yield page


def _head(asked: _Asked, branch: str) -> BranchHead | None:
    try:
        found = asked.get(f"/repository/branches/{segment(branch)}", f"branch {branch} of {asked.repo.path}")
    except NotFound:
        return None
    message = (optional_text(found, "commit.message") or "").strip().partition("\n")[0]
    author = optional_text(found, "commit.author_name") or GHOST
    return BranchHead(text(found, "name"), sha(found, "commit.id"), author, message.strip())


def _changes(
    asked: _Asked, since: datetime | None, default_branch: str
) -> Iterator[tuple[Change, datetime | None]]:
    """Yield the merge requests that were updated since; without a time, the open ones."""
    what = f"merge requests of {asked.repo.path}"
    query = {"scope": "all", "order_by": "updated_at", "sort": "desc"}
    query |= {"state": "all", "updated_after": _written(since)} if since else {"state": "opened"}
    for page in asked.pages("/merge_requests", what, query):
        for found in page:
            # Without a commit there is nothing to plan; GitLab may still be preparing it.
            if optional_text(found, "sha"):
                yield answered_change(asked.repo, found, default_branch), moment(found, "updated_at")


def _comments(asked: _Asked, change: int, since: datetime) -> Iterator[CommentAdded]:
    """Yield the notes that people wrote since. Not those that were edited.

    Maintainers can edit notes of others: only what stands as it was written is its author's.
    """
    what = f"comments on {asked.repo.path}!{change}"
    query = {"sort": "desc", "order_by": "created_at", "activity_filter": "only_comments"}
    for page in asked.pages(f"/merge_requests/{change}/notes", what, query):
        for note in page:
            written, author = moment(note, "created_at"), optional_text(note, "author.username")
            if written is None or written < since:
                return
            edited = moment(note, "updated_at") != written
            if author is None or edited or flag(note, "system"):
                continue
            yield CommentAdded(
                repo=asked.repo,
                number=change,
                comment_id=str(number(note, "id")),
                author=author,
                author_is_bot=is_a_tokens_user(author),
                body=optional_text(note, "body") or "",
                created_at=written,
                author_id=str(optional_number(note, "author.id") or ""),
            )


def _written(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
