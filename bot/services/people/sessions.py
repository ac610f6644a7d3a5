"""Sessions: who is signed in with which browser, until they sign out, are away too long, or time is up.

The browser has a random id, the database only its hash: who reads the one can't become the other (promise 6).
"""

from __future__ import annotations

import hashlib
import secrets
from datetime import timedelta

from bot.domain.accounts import Account
from bot.domain.audit import Deed
from bot.domain.origins import Origin, Via
from bot.domain.permissions import Person, Role
from bot.services.auditing import done
from bot.services.ports import Clock, SessionRecord, Store

_BYTES = 32
_LONGEST = 100
_NOTED_EVERY = timedelta(minutes=1)


class Sessions:
    """Begins, finds and ends sessions.

    `idle` is how long one lasts after it was last used, `life` how long it lasts at most.
    """

    def __init__(self, store: Store, clock: Clock, idle: timedelta, life: timedelta) -> None:
        self._store = store
        self._clock = clock
        self._idle = idle
        self.life = life

    def begin(self, account: Account, instead_of: str = "", address: str = "") -> str:
        """Return the id of a new session, in place of one that the browser may have: no id lives on."""
        token, now = secrets.token_urlsafe(_BYTES), self._clock.now()
        with self._store.transaction() as tx:
            tx.sessions.remove(_hash(instead_of))
            tx.sessions.forget(now - self.life, now - self._idle)
            tx.sessions.add(SessionRecord(_hash(token), account, now, now))
            done(tx, self._clock, _person(account, address), Deed.SIGN_IN, "")
        return token

    def holder(self, token: str) -> Account | None:
        """Return whose session it is, None where it is nobody's or is over."""
        if not token or len(token) > _LONGEST:
            return None
        hashed, now = _hash(token), self._clock.now()
        with self._store.reading() as tx:
            record = tx.sessions.get(hashed)
        if record is None or now >= min(record.begun_at + self.life, record.seen_at + self._idle):
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
                done(tx, self._clock, _person(record.account, address), Deed.SIGN_OUT, "")


def _person(account: Account, address: str) -> Person:
    # In no repository they have a role.
    return Person(account.login, Role.NONE, Origin(Via.PAGE, account.forge, address))


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "replace")).hexdigest()
