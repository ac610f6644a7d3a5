"""Who people are: how they sign in with a forge, and where it is kept who is signed in or has tokens."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from bot.domain.accounts import Account
from bot.domain.tokens import ApiToken


@dataclass(frozen=True)
class Leaving:
    """A browser on its way to the forge: where to, and what must be known when it comes back."""

    url: str
    state: str
    verifier: str = field(repr=False)


class SignIn(Protocol):
    """How people sign in with one forge."""

    @property
    def title(self) -> str:
        """What the forge is called."""
        ...

    def begin(self, callback: str) -> Leaving:
        """Return where the browser is to go; the forge sends it back to `callback`."""
        ...

    def finish(self, callback: str, code: str, verifier: str) -> Account:
        """Return whose code it is that the browser came back with.

        Raises Invalid where it is good no more, Forbidden, ForgeUnavailable, ForgeRefused.
        """
        ...


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


class TokenRecords(Protocol):
    """Tokens of people's programs; of their secrets only hashes are kept."""

    def add(self, token: ApiToken, hashed: str) -> None:
        """Keep a token."""
        ...

    def get(self, hashed: str) -> ApiToken | None:
        """Return the token with this hash of its secret, None where there is none."""
        ...

    def of(self, account: Account) -> Sequence[ApiToken]:
        """Return an account's tokens, newest first."""
        ...

    def standing(self, now: datetime, limit: int, offset: int = 0, token_id: str = "") -> Sequence[ApiToken]:
        """Return everybody's tokens that count, by login, the newest of each first; or the one of an id."""
        ...

    def used(self, token_id: str, at: datetime) -> None:
        """Keep that a token was used."""
        ...

    def revoke(self, token_id: str, at: datetime) -> None:
        """Keep that a token counts no more."""
        ...

    def forget(self, ended_before: datetime) -> None:
        """Forget the tokens that expired, or were revoked, before."""
        ...
