"""People: signing in with a forge, sessions, tokens and the audit log."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from bot.domain.events import RepoRef
from bot.domain.people.accounts import Account
from bot.domain.people.audit import AuditEntry
from bot.domain.people.program_login import LoginCode
from bot.domain.people.tokens import ApiToken


@dataclass(frozen=True)
class SignInRequest:
    """The redirect of a browser to the forge, and the values that the callback needs."""

    url: str
    state: str
    verifier: str = field(repr=False)


class SignIn(Protocol):
    """How people sign in with one forge."""

    @property
    def title(self) -> str:
        """The forge's display name."""
        ...

    def begin(self, callback: str) -> SignInRequest:
        """Return the redirect to the forge. The forge redirects back to `callback`."""
        ...

    def finish(self, callback: str, code: str, verifier: str) -> Account:
        """Return the account that the code of a callback belongs to.

        Raises Invalid if the code has expired, Forbidden, ForgeUnavailable, ForgeRefused.
        """
        ...


@dataclass(frozen=True)
class SessionRecord:
    """A session: its account, its begin and its last use. Only the `hash` of its id is stored."""

    hash: str = field(repr=False)
    account: Account
    begun_at: datetime
    seen_at: datetime


class SessionRecords(Protocol):
    """Stores the sessions of browsers."""

    def add(self, record: SessionRecord) -> None:
        """Store a session."""
        ...

    def get(self, hashed: str) -> SessionRecord | None:
        """Return a session, None if it is unknown."""
        ...

    def all(self) -> Sequence[SessionRecord]:
        """Return every session, by login, the one used last first."""
        ...

    def seen(self, hashed: str, at: datetime) -> None:
        """Store that a session was used."""
        ...

    def remove(self, hashed: str) -> None:
        """Delete a session. Does nothing if it is unknown."""
        ...

    def forget(self, begun_before: datetime, seen_before: datetime) -> None:
        """Delete sessions by the time of their begin and of their last use."""
        ...


class TokenRecords(Protocol):
    """Stores API tokens. Of their secrets it stores hashes only."""

    def add(self, token: ApiToken, hashed: str) -> None:
        """Store a token."""
        ...

    def get(self, hashed: str) -> ApiToken | None:
        """Return the token with this hash, None if it is unknown."""
        ...

    def of(self, account: Account) -> Sequence[ApiToken]:
        """Return an account's tokens, newest first."""
        ...

    def standing(self, now: datetime, limit: int, offset: int = 0, token_id: str = "") -> Sequence[ApiToken]:
        """Return all active tokens, by login, newest first. Or the one with an id."""
        ...

    def used(self, token_id: str, at: datetime) -> None:
        """Store that a token was used."""
        ...

    def revoke(self, token_id: str, at: datetime) -> None:
        """Store that a token is revoked."""
        ...

    def forget(self, ended_before: datetime) -> None:
        """Delete the tokens that expired or were revoked before this time."""
        ...


class LoginCodes(Protocol):
    """Stores the codes of programs that were let in. Of a code it stores the hash only."""

    def add(self, code: LoginCode, hashed: str) -> None:
        """Store a code."""
        ...

    def take(self, hashed: str) -> LoginCode | None:
        """Delete a code and return what it was given for, None if it is unknown. Only one caller gets it."""
        ...

    def forget(self, expired_before: datetime) -> None:
        """Delete the codes that expired before this time."""
        ...


@dataclass(frozen=True)
class AuditQuery:
    """Which lines to find, newest first. Empty fields and None match everything.

    `repos` are the repositories whose lines the person may see; None: all lines. Lines of `own` are always
    included. `before` is the id of a line: only earlier lines match.
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
    """The audit log. Lines are added and never changed."""

    def add(self, entry: AuditEntry) -> None:
        """Add a line, in the transaction of the action."""
        ...

    def find(self, query: AuditQuery) -> Sequence[AuditEntry]:
        """Return the lines that match, newest first."""
        ...


class Named(StrEnum):
    """The kinds of things whose name a forge can give to another one."""

    REPOSITORY = "repository"
    ACCOUNT = "account"


@dataclass(frozen=True)
class IdentityRecord:
    """The forge's number that a name had when first seen. `doubted` is a different one seen later."""

    uid: str
    doubted: str = ""


class IdentityRecords(Protocol):
    """Stores the forge's numbers of names, because a forge may give a free name to something else."""

    def first(self, kind: Named, forge: str, name: str, uid: str, at: datetime) -> None:
        """Store the number of a name, unless one is stored."""
        ...

    def get(self, kind: Named, forge: str, name: str) -> IdentityRecord | None:
        """Return what is stored for a name, None if it was never seen."""
        ...

    def doubt(self, kind: Named, forge: str, name: str, uid: str) -> None:
        """Store that a name has another number now."""
        ...

    def confirm(self, kind: Named, forge: str, name: str, uid: str, at: datetime) -> None:
        """Store the number that an owner has confirmed for a name."""
        ...
