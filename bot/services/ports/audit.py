"""Where it is kept what people did."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from bot.domain.accounts import Account
from bot.domain.audit import AuditEntry
from bot.domain.events import RepoRef


@dataclass(frozen=True)
class AuditQuery:
    """Which lines to find, newest first; what is empty or None does not matter.

    `repos` are those whose lines may be seen, None: every line there is; those of `own` may be seen too.
    `before` is the id of a line: only what came before it.
    """

    login: str = ""
    deed: str = ""
    workspace: str = ""
    since: datetime | None = None
    until: datetime | None = None
    repos: frozenset[RepoRef] | None = None
    own: Account | None = None
    before: int | None = None
    limit: int = 100
    offset: int = 0


class AuditLog(Protocol):
    """What people did: added to, never changed."""

    def add(self, entry: AuditEntry) -> None:
        """Keep a line, within the transaction of what it tells."""
        ...

    def find(self, query: AuditQuery) -> Sequence[AuditEntry]:
        """Return the lines that match, newest first."""
        ...
