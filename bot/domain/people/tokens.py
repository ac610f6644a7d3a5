"""Tokens by which a person's programs ask in that person's name: never for more than the person may."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from bot.domain.accounts import Account
from bot.domain.permissions import Role


class Scope(StrEnum):
    """The most that a token lends of what its person may do."""

    READ = "read"
    PLAN = "plan"
    WRITE = "write"

    @property
    def lends(self) -> Role:
        """The highest role that it lends; the person's own is asked of the forge all the same."""
        return Role[self.name]


@dataclass(frozen=True)
class ApiToken:
    """A token, without its secret: whose it is, what it lends and until when. `used_at` is to the minute."""

    id: str
    account: Account
    name: str
    scope: Scope
    created_at: datetime
    expires_at: datetime
    used_at: datetime | None = None
    revoked_at: datetime | None = None

    def counts(self, now: datetime) -> bool:
        """Whether it is good for anything still."""
        return self.revoked_at is None and now < self.expires_at

    def why_not(self, now: datetime) -> str:
        """Say why it is good for nothing; empty where it counts (promise 7)."""
        if self.revoked_at is not None:
            return f"the token {self.name} was revoked on {self.revoked_at:%Y-%m-%d}"
        if now >= self.expires_at:
            return f"the token {self.name} expired on {self.expires_at:%Y-%m-%d}"
        return ""
