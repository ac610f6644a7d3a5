"""Sessions of browsers: they end by signing out, after being idle, and after their longest lifetime.

The browser has a random id. The database has its hash, so reading the database gives no session (promise 6).
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from bot.domain.errors import Forbidden, NotFound
from bot.domain.people.accounts import Account
from bot.domain.people.audit import AuditAction
from bot.domain.people.origins import Origin, Via
from bot.domain.people.permissions import Person, Role
from bot.services.outbox.audit_log import audited, done
from bot.services.ports import Clock, SessionRecord, Store

_BYTES = 32
_LONGEST = 100
_NOTED_EVERY = timedelta(minutes=1)


_OWNERS = "everybody's sessions are for the owners of this Plangate"


@dataclass(frozen=True)
class SignedIn:
    """Somebody who is signed in: with how many browsers, and when one of them was last used."""

    account: Account
    sessions: int
    seen_at: datetime


class Sessions:
    """Starts, finds and ends sessions.

    `idle` is how long a session lasts after its last use. `life` is its longest lifetime.
    """

    def __init__(self, store: Store, clock: Clock, idle: timedelta, life: timedelta) -> None:
        self._store = store
        self._clock = clock
        self._idle = idle
        self.life = life

    def begin(self, account: Account, instead_of: str = "", address: str = "") -> str:
        """Return the id of a new session. It replaces the session that the browser may have."""
        token, now = secrets.token_urlsafe(_BYTES), self._clock.now()
        with self._store.transaction() as tx:
            tx.sessions.remove(_hash(instead_of))
            tx.sessions.forget(now - self.life, now - self._idle)
            tx.sessions.add(SessionRecord(_hash(token), account, now, now))
            done(tx, self._clock, _person(account, address), AuditAction.SIGN_IN, "")
        return token

    def holder(self, token: str) -> Account | None:
        """Return the account of a session, None if it is unknown or over."""
        if not token or len(token) > _LONGEST:
            return None
        hashed, now = _hash(token), self._clock.now()
        with self._store.reading() as tx:
            record = tx.sessions.get(hashed)
        if record is None or not self._lasts(record):
            return None
        if now - record.seen_at >= _NOTED_EVERY:
            with self._store.transaction() as tx:
                tx.sessions.seen(hashed, now)
        return record.account

    def end(self, token: str, address: str = "") -> None:
        """End a session."""
        with self._store.transaction() as tx:
            record = tx.sessions.get(_hash(token))
            if record is not None:
                tx.sessions.remove(record.hash)
                done(tx, self._clock, _person(record.account, address), AuditAction.SIGN_OUT, "")

    def signed_in(self, person: Person) -> Sequence[SignedIn]:
        """Return who is signed in, by login, for an owner of this Plangate. Raises Forbidden."""
        if person.role < Role.OWNER:
            raise Forbidden(_OWNERS)
        found: dict[tuple[str, str], SignedIn] = {}
        with self._store.reading() as tx:
            records = [record for record in tx.sessions.all() if self._lasts(record)]
        for record in records:
            before = found.get(record.account.key)
            found[record.account.key] = SignedIn(
                account=record.account,
                sessions=before.sessions + 1 if before else 1,
                seen_at=max(record.seen_at, before.seen_at) if before else record.seen_at,
            )
        return tuple(found.values())

    @audited(AuditAction.END_SESSIONS)
    def end_all(self, login: str, person: Person, forge: str | None = None) -> int:
        """End every session of a person, on one forge or on all; return how many.

        For an owner of this Plangate. The person has to sign in again. Their tokens stay: revoke those too.
        Raises Forbidden, NotFound.
        """
        if person.role < Role.OWNER:
            raise Forbidden(_OWNERS)
        with self._store.transaction() as tx:
            ended = [
                record
                for record in tx.sessions.all()
                if record.account.key[1] == login.casefold() and forge in (None, record.account.forge)
            ]
            if not ended:
                raise NotFound(f"{login} is not signed in")
            for record in ended:
                tx.sessions.remove(record.hash)
            whose = ", ".join(sorted({str(record.account) for record in ended}))
            done(tx, self._clock, person, AuditAction.END_SESSIONS, "", f"{len(ended)} of {whose}", login)
        return len(ended)

    def _lasts(self, record: SessionRecord) -> bool:
        return self._clock.now() < min(record.begun_at + self.life, record.seen_at + self._idle)


def _person(account: Account, address: str) -> Person:
    # They have no role in any repository.
    return Person(account.login, Role.NONE, Origin(Via.PAGE, account.forge, address))


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "replace")).hexdigest()
