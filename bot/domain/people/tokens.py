"""API tokens: a program acts in a person's name, with at most that person's rights."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from fnmatch import fnmatchcase

from bot.domain.people.accounts import Account
from bot.domain.people.permissions import Role


class Scope(StrEnum):
    """The scope of a token: the most that it allows."""

    READ = "read"
    PLAN = "plan"
    WRITE = "write"
    ADMIN = "admin"

    @property
    def lends(self) -> Role:
        """The highest role that the scope allows. The person's own role limits it too."""
        return Role[self.name]


@dataclass(frozen=True)
class ApiToken:
    """A token without its secret: its account, scope and lifetime. `used_at` is exact to the minute.

    `workspaces` are names and patterns of names that it is limited to; empty: all that the person may see.
    """

    id: str
    account: Account
    name: str
    scope: Scope
    created_at: datetime
    expires_at: datetime
    used_at: datetime | None = None
    revoked_at: datetime | None = None
    workspaces: tuple[str, ...] = ()

    def reaches(self, workspace: str) -> bool:
        """Whether it is good for a workspace of that name."""
        return not self.workspaces or any(fnmatchcase(workspace, pattern) for pattern in self.workspaces)

    def counts(self, now: datetime) -> bool:
        """Whether the token is active."""
        return self.revoked_at is None and now < self.expires_at

    def why_not(self, now: datetime) -> str:
        """Say why the token is not active. Empty if it is (promise 7)."""
        if self.revoked_at is not None:
            return f"the token {self.name} was revoked on {self.revoked_at:%Y-%m-%d}"
        if now >= self.expires_at:
            return f"the token {self.name} expired on {self.expires_at:%Y-%m-%d}"
        return ""
