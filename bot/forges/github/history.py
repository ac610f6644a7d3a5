"""What is new in a GitHub repository: branch heads, pull requests and comments, by conditional requests.

An answer that has not changed (304) does not count against GitHub's limit per hour.
Source: https://docs.github.com/en/rest/using-the-rest-api/best-practices-for-using-the-rest-api
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from bot.domain.errors import Invalid, NotFound
from bot.domain.events import Change, CommentAdded, RepoRef
from bot.forges.fields import moment, number, optional_number, optional_text, sha, text
from bot.forges.github.api import PER_PAGE, Answer, Api, Ask
from bot.forges.github.paths import repo_path, segment
from bot.forges.github.shapes import GHOST, read_change
from bot.forges.github.webhook import wrote_a_program
from bot.services.ports.catching_up import BranchHead, ForgeNews

_DEFAULT = "default branch"
_ON_A_PULL = re.compile(r"/pull/([1-9][0-9]{0,8})#")
Send = Callable[[RepoRef, Ask], Answer]


class History:
    """Implements ForgeHistory; `send` makes one call with the repository's credentials."""

    def __init__(self, api: Api, send: Send) -> None:
        self._api = api
        self._send = send

    def news(
        self, repo: RepoRef, branches: Sequence[str], since: datetime | None, marks: Mapping[str, str]
    ) -> ForgeNews:
        """Return what is new: two calls, one for each branch, and for each hundred changes or comments."""
        asked = _Asked(repo, self._send, marks)
        with self._api.expecting(f"what is new in {repo.path}"), self._api.one_connection():
            default = self._default_branch(asked)
            names = dict.fromkeys(branch or default for branch in branches)
            heads = [self._head(asked, name) for name in names]
            changes = list(self._changes(asked, since))
            comments = list(self._comments(asked, since)) if since else []
        times = [at for _, at in (*changes, *comments) if at is not None]
        return ForgeNews(
            default,
            tuple(head for head in heads if head is not None),
            tuple(change for change, _ in changes),
            tuple(comment for comment, _ in comments if comment is not None),
            max(times, default=None),
            asked.marks,
            asked.calls,
        )

    def _default_branch(self, asked: _Asked) -> str:
        what = asked.repo.path
        answer = asked.ask("", what)
        known = asked.before.get(_DEFAULT, "")
        default = text(answer.data, "default_branch") if answer.fresh or not known else known
        asked.marks[_DEFAULT] = default
        return default

    def _head(self, asked: _Asked, branch: str) -> BranchHead | None:
        what = f"branch {branch} of {asked.repo.path}"
        try:
            answer = asked.ask(f"/branches/{segment(branch)}", what)
        except NotFound:
            return None
        if not answer.fresh:
            return None
        message = (optional_text(answer.data, "commit.commit.message") or "").strip().partition("\n")[0]
        author = optional_text(answer.data, "commit.author.login") or GHOST
        return BranchHead(text(answer.data, "name"), sha(answer.data, "commit.sha"), author, message.strip())

    def _changes(self, asked: _Asked, since: datetime | None) -> Iterator[tuple[Change, datetime | None]]:
        """Yield the pull requests that were updated since, newest first; without a time, the open ones."""
        what = f"pull requests of {asked.repo.path}"
        query = {"state": "all" if since else "open", "sort": "updated", "direction": "desc"}
        for page in asked.pages("/pulls", what, query):
            for found in page:
                at = moment(found, "updated_at")
                if since and at and at < since:
                    return
                yield read_change(asked.repo, found), at

    def _comments(
        self, asked: _Asked, since: datetime
    ) -> Iterator[tuple[CommentAdded | None, datetime | None]]:
        what = f"comments of {asked.repo.path}"
        # GitHub reads an offset too, but writes times in this form.
        at = since.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        query = {"sort": "updated", "direction": "desc", "since": at}
        for page in asked.pages("/issues/comments", what, query):
            for found in page:
                yield _comment(asked.repo, found), moment(found, "updated_at")


@dataclass
class _Asked:
    """The requests of one look at a repository. `before` has the marks of the last look."""

    repo: RepoRef
    send: Send
    before: Mapping[str, str]
    marks: dict[str, str] = field(default_factory=dict)
    calls: int = 0

    def ask(self, path: str, what: str, query: Mapping[str, str | int] | None = None) -> Answer:
        """Ask for something that may not have changed since the last look; then the answer is not fresh."""
        key = "&".join((path, *(f"{name}={value}" for name, value in (query or {}).items())))
        ask = Ask("GET", f"{repo_path(self.repo)}{path}", what, query, etag=self.before.get(key, ""))
        self.calls += 1
        answer = self.send(self.repo, ask)
        if mark := answer.etag or ask.etag:
            self.marks[key] = mark
        return answer

    def pages(self, path: str, what: str, query: Mapping[str, str | int]) -> Iterator[list[object]]:
        """Yield a list's pages. Nothing if the first one has not changed: the newest entry is on it."""
        answer = self.ask(path, what, {**query, "per_page": PER_PAGE})
        page = 1
        while answer.fresh:
            if not isinstance(answer.data, list):
                raise Invalid("there should be a list")
            yield answer.data
            full = len(answer.data) >= PER_PAGE
            if not (full if answer.more is None else answer.more):
                return
            page += 1
            self.calls += 1
            ask = Ask(
                "GET", f"{repo_path(self.repo)}{path}", what, {**query, "per_page": PER_PAGE, "page": page}
            )
            answer = self.send(self.repo, ask)


def _comment(repo: RepoRef, found: object) -> CommentAdded | None:
    """Return a comment on a pull request. None for an issue's, an edited one, and one without an author.

    People with write access can edit comments of others: only what stands as it was written is its author's.
    """
    on = _ON_A_PULL.search(optional_text(found, "html_url") or "")
    author, written = optional_text(found, "user.login"), moment(found, "created_at")
    if on is None or author is None or written is None or moment(found, "updated_at") != written:
        return None
    return CommentAdded(
        repo=repo,
        number=int(on[1]),
        comment_id=str(number(found, "id")),
        author=author,
        author_is_bot=wrote_a_program({"comment": found}, author),
        body=optional_text(found, "body") or "",
        created_at=written,
        author_id=str(optional_number(found, "user.id") or ""),
    )
