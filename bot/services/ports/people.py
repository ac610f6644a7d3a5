"""Where it is kept who is signed in."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from bot.domain.accounts import Account


@dataclass(frozen=True)
class SessionRecord:
    """A session: whose it is, since when, and when it was last used. `hash` is all that is kept of its id."""

    hash: str = field(repr=False)
    account: Account
    begun_at: datetime
    seen_at: datetime


class SessionRecords(Protocol):
    """Sessions of browsers."""

    def add(self, record: SessionRecord) -> None:
        """Keep a session."""
        ...

    def get(self, hashed: str) -> SessionRecord | None:
        """Return a session, None where there is none."""
        ...

    def seen(self, hashed: str, at: datetime) -> None:
        """Keep that a session was used."""
        ...

    def remove(self, hashed: str) -> None:
        """Forget a session; nothing happens where there is none."""
        ...

    def forget(self, begun_before: datetime, seen_before: datetime) -> None:
        """Forget the sessions that began, or were last used, before."""
        ...
