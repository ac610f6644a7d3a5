"""The keys of the issuer: made on first use, rotated by age, served until their last token has expired."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from bot.domain.ids import new_id
from bot.services.ports import Clock, IdentityKey, Store, Transaction, Vault

LONGEST = timedelta(hours=24)
"""How long a token is good at most, whatever the time limit of its phase is."""

SERVED_FOR = LONGEST + timedelta(hours=1)
"""How long a public key is served after it has signed its last token; the hour is for clocks that differ."""

ROTATED_AFTER = timedelta(days=90)
AHEAD = timedelta(hours=24)
"""How long before its first signature the next key is served: relying parties keep copies of the key set."""


class IssuerKeys:
    """Signs with the key of the day, and looks after the others."""

    def __init__(self, store: Store, vault: Vault, clock: Clock) -> None:
        self._store = store
        self._vault = vault
        self._clock = clock

    def sign(self, claims: Mapping[str, object]) -> str:
        """Return a token with these claims; the first one makes the first key."""
        key = self._signing()
        return self._vault.sign(key.private, key.id, claims)

    def published(self) -> Sequence[Mapping[str, str]]:
        """Return the key set: every key that a token which is good may be signed with, as a JWK."""
        now = self._clock.now()
        with self._store.reading() as tx:
            keys = tx.identity_keys.all()
        return [
            {**key.public, "kid": key.id, "use": "sig", "alg": "RS256"} for key in keys if not _over(key, now)
        ]

    def rotate(self, *, drop_old: bool = False) -> str:
        """Sign with a new key from now on; return its id.

        The old public keys are served as long as a token of theirs may be good. With `drop_old` they are not:
        for a key that somebody else may have.
        """
        with self._store.transaction() as tx:
            return self.rotate_in(tx, drop_old=drop_old)

    def rotate_in(self, tx: Transaction, *, drop_old: bool = False) -> str:
        """Rotate within a transaction."""
        now = self._clock.now()
        for key in tx.identity_keys.all():
            if drop_old:
                tx.identity_keys.remove(key.id)
        return self._next(tx, now).id

    def tend(self) -> None:
        """Create the next key in time, and delete expired ones. Does nothing if no token is signed."""
        now = self._clock.now()
        with self._store.reading() as tx:
            keys = tx.identity_keys.all()
        aged = bool(keys) and keys[0].used_from + ROTATED_AFTER <= now + AHEAD
        closed = any(key.private and key.retired_at is not None and key.retired_at <= now for key in keys)
        if not (aged or closed or any(_over(key, now) for key in keys)):
            return
        with self._store.transaction() as tx:
            for key in tx.identity_keys.all():
                if _over(key, now):
                    tx.identity_keys.remove(key.id)
                elif key.private and key.retired_at is not None and key.retired_at <= now:
                    tx.identity_keys.forget_private(key.id)
            newest = tx.identity_keys.all()[:1]
            if newest and newest[0].used_from + ROTATED_AFTER <= now + AHEAD:
                self._next(tx, max(now + AHEAD, newest[0].used_from + ROTATED_AFTER))

    def _signing(self) -> IdentityKey:
        now = self._clock.now()
        with self._store.reading() as tx:
            found = _current(tx, now)
        if found is not None:
            return found
        with self._store.transaction() as tx:
            # Another process may have made it since.
            return _current(tx, now) or self._next(tx, now)

    def _next(self, tx: Transaction, used_from: datetime) -> IdentityKey:
        """Add the key that signs from a moment on, when the others stop."""
        now = self._clock.now()
        for key in tx.identity_keys.all():
            if key.used_from > now:
                # Made ahead and never used: the new one takes its place.
                tx.identity_keys.remove(key.id)
            elif key.retired_at is None or key.retired_at > used_from:
                tx.identity_keys.retire(key.id, used_from)
        private, public = self._vault.new_signing_key()
        made = IdentityKey(new_id("idk"), private, public, used_from)
        tx.identity_keys.add(made)
        return made


def _current(tx: Transaction, now: datetime) -> IdentityKey | None:
    return next((key for key in tx.identity_keys.all() if key.signs(now)), None)


def _over(key: IdentityKey, now: datetime) -> bool:
    return key.retired_at is not None and key.retired_at + SERVED_FOR <= now
