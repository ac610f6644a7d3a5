"""Builds posts: statuses, comments and reactions, and the hidden markers of comments."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence

from bot.domain.changes.requirements import Check
from bot.domain.changes.why import WhyReport
from bot.domain.events import RepoRef
from bot.domain.reports.posts import CommentPost, Reaction, ReactionPost, StatusPost
from bot.domain.reports.report import StatusReport
from bot.services.ports import CommentTexts, Post, Vault

MARKER_PREFIX = "<!-- plangate:"


class PostBuilder:
    """Builds posts. Markers are keyed, so that nobody else's text can pass for the bot's own (promise 5)."""

    def __init__(self, vault: Vault, texts: CommentTexts) -> None:
        self._vault = vault
        self._texts = texts

    def status(self, subject: str, repo: RepoRef, status: StatusReport, shows: Sequence[str] = ()) -> Post:
        """Return the post of a commit status. `shows` are the runs whose plans it shows."""
        content = StatusPost(status, tuple(shows))
        return Post(subject, repo, f"status:{status.sha}:{status.context}", content)

    def comment(
        self,
        subject: str,
        repo: RepoRef,
        number: int,
        name: str,
        body: str,
        *,
        settled: bool | None = None,
        shows: Sequence[str] = (),
        lists: Sequence[str] = (),
    ) -> Post:
        """Return the post of a comment. `name` is unique among the change's comments.

        `settled`, `shows` and `lists` are those of a CommentPost.
        """
        marker = self.marker(repo, number, name)
        content = CommentPost(number, marker, f"{body}\n\n{marker}\n", settled, tuple(shows), tuple(lists))
        return Post(subject, repo, f"comment:{number}:{name}", content, progress=settled is False)

    def refusal(
        self,
        subject: str,
        repo: RepoRef,
        number: int,
        comment_id: str,
        login: str,
        lines: Sequence[tuple[str, str]],
        limit: int,
        tables: Sequence[tuple[str, Sequence[Check]]] = (),
    ) -> Post:
        """Return the post that answers a comment with refused commands."""
        body = self._texts.refusal_comment(login, lines, limit - 200, tables)
        return self.comment(subject, repo, number, f"refusal:{comment_id}", body)

    def help(self, subject: str, repo: RepoRef, number: int, limit: int) -> Post:
        """Return the post of the table of commands: one comment, however often people ask."""
        return self.comment(subject, repo, number, "help", self._texts.help_comment(limit - 200))

    def why(self, subject: str, repo: RepoRef, number: int, report: WhyReport, limit: int) -> Post:
        """Return the post of the answer to `/why`: one comment, edited by a later `/why`."""
        return self.comment(subject, repo, number, "why", self._texts.why_comment(report, limit - 200))

    def reaction(self, subject: str, repo: RepoRef, number: int, comment_id: str, reaction: Reaction) -> Post:
        """Return the post of a reaction to a comment."""
        content = ReactionPost(number, comment_id, reaction)
        return Post(subject, repo, f"reaction:{number}:{comment_id}:{reaction.value}", content)

    def marker(self, repo: RepoRef, number: int, name: str) -> str:
        """Return the hidden line that identifies a comment."""
        key = self._vault.key("comment marker")
        mac = hmac.new(key, f"{repo}#{number}:{name}".encode(), hashlib.sha256).hexdigest()
        return f"{MARKER_PREFIX}{mac[:32]} -->"
