"""API tokens: created, found, revoked. A program uses one to act in its owner's name.

The program has a random secret, which is shown once. The database has its hash (promise 6).
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Sequence
from datetime import timedelta

from bot.domain.errors import Conflict, Forbidden, Invalid, NotFound
from bot.domain.ids import new_id
from bot.domain.people.accounts import Account
from bot.domain.people.audit import AuditAction
from bot.domain.people.permissions import Person, Role
from bot.domain.people.tokens import ApiToken, Scope
from bot.domain.workspaces.variables import wrong_pattern
from bot.services.outbox.audit_log import done
from bot.services.ports import Clock, Store

PREFIX = "plangate_"
"""The prefix of each secret: it shows people who find one what it is."""

DAYS, MOST_DAYS = 90, 365
"""The default lifetime of a token, and the longest one."""

MOST = 50
"""How many active tokens one person may have."""

LONGEST_NAME = 60

MOST_PATTERNS = 20
"""How many names or patterns of workspaces a token may be limited to."""

_BYTES = 32
_LONGEST = 100
_NOTED_EVERY = timedelta(minutes=1)
_LISTED_FOR = timedelta(days=30)


class BadToken(Forbidden):
    """A token that is unknown, expired or revoked."""


class Tokens:
    """Creates, finds and revokes tokens."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    def make(
        self,
        account: Account,
        person: Person,
        name: str,
        scope: str,
        days: int = DAYS,
        workspaces: Sequence[str] = (),
    ) -> str:
        """Return the secret of a new token. It can't be shown again. Raises Invalid, Conflict."""
        name = " ".join(name.split())
        if not name or len(name) > LONGEST_NAME or not name.isprintable():
            raise Invalid(f"a token has a name of 1 to {LONGEST_NAME} characters, such as the program's")
        if scope not in list(Scope):
            raise Invalid(f"a token's scope is one of {', '.join(Scope)}")
        if not 1 <= days <= MOST_DAYS:
            raise Invalid(f"a token lasts 1 to {MOST_DAYS} days")
        limited = tuple(dict.fromkeys(workspaces))
        if len(limited) > MOST_PATTERNS:
            raise Invalid(f"a token is limited to {MOST_PATTERNS} names or patterns at most")
        for pattern in limited:
            if wrong := wrong_pattern(pattern):
                raise Invalid(wrong)
        secret, now = PREFIX + secrets.token_urlsafe(_BYTES), self._clock.now()
        until = now + timedelta(days=days)
        token = ApiToken(new_id("tok"), account, name, Scope(scope), now, until, workspaces=limited)
        with self._store.transaction() as tx:
            tx.tokens.forget(now - _LISTED_FOR)
            standing = [each for each in tx.tokens.of(account) if each.counts(now)]
            if any(each.name == name for each in standing):
                raise Conflict(f"you have a token named {name} already: revoke it, or choose another name")
            if len(standing) >= MOST:
                raise Conflict(f"you have {MOST} tokens: revoke one that is not needed any more")
            tx.tokens.add(token, hashed(secret))
            where = f", for {', '.join(limited)}" if limited else ""
            done(
                tx, self._clock, person, AuditAction.MAKE_TOKEN, "", f"{scope}, for {days} days{where}", name
            )
        return secret

    def of(self, account: Account) -> Sequence[ApiToken]:
        """Return a person's tokens, newest first. Inactive ones stay for about a month."""
        with self._store.reading() as tx:
            return tx.tokens.of(account)

    def standing(self, person: Person, limit: int, offset: int = 0) -> Sequence[ApiToken]:
        """Return all active tokens, for an owner of this Plangate. Raises Forbidden."""
        if person.role < Role.OWNER:
            raise Forbidden("everybody's tokens are for the owners of this Plangate")
        with self._store.reading() as tx:
            return tx.tokens.standing(self._clock.now(), limit, offset)

    def revoke(self, account: Account, person: Person, token_id: str) -> None:
        """Revoke a person's token. An owner of this Plangate may revoke any token. Raises NotFound."""
        now = self._clock.now()
        with self._store.transaction() as tx:
            token = next((each for each in tx.tokens.of(account) if each.id == token_id), None)
            whose = ""
            if token is None and person.role >= Role.OWNER:
                token = next(iter(tx.tokens.standing(now, 1, token_id=token_id)), None)
                whose = f"of {token.account}" if token else ""
            if token is None:
                raise NotFound(f"you have no token {token_id}")
            if token.revoked_at is None:
                tx.tokens.revoke(token.id, now)
                done(tx, self._clock, person, AuditAction.REVOKE_TOKEN, "", whose, token.name)

    def holder(self, secret: str) -> ApiToken:
        """Return the token with this secret. Raises BadToken, which says why the token can't be used."""
        token, now = None, self._clock.now()
        if secret.startswith(PREFIX) and len(secret) <= _LONGEST:
            with self._store.reading() as tx:
                token = tx.tokens.get(hashed(secret))
        if token is None:
            raise BadToken("this token does not exist: create one on the page Your tokens")
        if not token.counts(now):
            raise BadToken(f"{token.why_not(now)}: create another on the page Your tokens")
        if token.used_at is None or now - token.used_at >= _NOTED_EVERY:
            with self._store.transaction() as tx:
                tx.tokens.used(token.id, now)
        return token


def hashed(secret: str) -> str:
    """Return what the database has of a secret."""
    return hashlib.sha256(secret.encode("utf-8", "replace")).hexdigest()
