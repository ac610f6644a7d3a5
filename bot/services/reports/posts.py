"""What may stand on a forge, as rows: statuses, comments, reactions; and the markers that comments carry."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence

from bot.domain.events import RepoRef
from bot.domain.report import StatusReport
from bot.domain.requirements import Check
from bot.domain.why import WhyReport
from bot.services.ports import Post, Reaction, Texts, Vault

MARKER_PREFIX = "<!-- plangate:"


class Posting:
    """Makes posts. Markers are keyed, so that nobody else's text can pass for the bot's own (promise 5)."""

    def __init__(self, vault: Vault, texts: Texts) -> None:
        self._vault = vault
        self._texts = texts

    def status(self, subject: str, repo: RepoRef, status: StatusReport, shows: Sequence[str] = ()) -> Post:
        """Return the row of a commit status. `shows` are the runs whose plans it tells of."""
        payload = {
            "kind": "status",
            "sha": status.sha,
            "context": status.context,
            "state": status.state.value,
            "description": status.description,
            "target_url": status.target_url,
        }
        if shows:
            payload["shows"] = " ".join(shows)
        return Post(subject, repo, f"status:{status.sha}:{status.context}", payload)

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
    ) -> Post:
        """Return the row of a comment; `name` tells it from the change's other comments.

        A settled one tells of nothing that is under way, and need not wait for what else may come; one that
        is not may wait for that with its first words. None: it never waits. `shows` are the runs whose plans
        are in it.
        """
        marker = self.marker(repo, number, name)
        payload = {
            "kind": "comment",
            "number": str(number),
            "marker": marker,
            "body": f"{body}\n\n{marker}\n",
            **({} if settled is None else {"settled": "yes" if settled else "no"}),
        }
        if shows:
            payload["shows"] = " ".join(shows)
        return Post(subject, repo, f"comment:{number}:{name}", payload)

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
        """Return the row of the answer to a comment whose commands were refused."""
        body = self._texts.refusal_comment(login, lines, limit - 200, tables)
        return self.comment(subject, repo, number, f"refusal:{comment_id}", body)

    def help(self, subject: str, repo: RepoRef, number: int, limit: int) -> Post:
        """Return the row of the table of commands: one comment, however often it is asked for."""
        return self.comment(subject, repo, number, "help", self._texts.help_comment(limit - 200))

    def why(self, subject: str, repo: RepoRef, number: int, report: WhyReport, limit: int) -> Post:
        """Return the row of the answer to `/why`: one comment, which a later `/why` edits."""
        return self.comment(subject, repo, number, "why", self._texts.why_comment(report, limit - 200))

    def reaction(self, subject: str, repo: RepoRef, number: int, comment_id: str, reaction: Reaction) -> Post:
        """Return the row of a reaction to a comment."""
        payload = {
            "kind": "reaction",
            "number": str(number),
            "comment_id": comment_id,
            "reaction": reaction.value,
        }
        return Post(subject, repo, f"reaction:{number}:{comment_id}:{reaction.value}", payload)

    def marker(self, repo: RepoRef, number: int, name: str) -> str:
        """Return the hidden line by which a comment is found again."""
        key = self._vault.key("comment marker")
        mac = hmac.new(key, f"{repo}#{number}:{name}".encode(), hashlib.sha256).hexdigest()
        return f"{MARKER_PREFIX}{mac[:32]} -->"
