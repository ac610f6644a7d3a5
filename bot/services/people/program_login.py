"""Gives tokens to programs that a person lets in: a code for the browser, a token for the code."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import timedelta

from bot.domain.errors import Invalid
from bot.domain.people.accounts import Account
from bot.domain.people.origins import Origin
from bot.domain.people.permissions import Person, Role
from bot.domain.people.program_login import LoginCode, LoginRequest, why_not_exchanged
from bot.domain.people.tokens import Scope
from bot.services.people.tokens import DAYS, Tokens, hashed
from bot.services.ports import Clock, Store

LASTS = timedelta(minutes=2)
"""How long a code can be exchanged. The browser takes it to the program at once."""

TOKEN_LASTS = timedelta(days=DAYS)


class RefusedCode(Invalid):
    """A code that is unknown, used or expired, or of another program."""


@dataclass(frozen=True)
class CodeExchange:
    """What a program sends for its token."""

    code: str
    client: str
    redirect_uri: str
    verifier: str


class ProgramLogin:
    """Creates codes and exchanges them. A code is good once, also for a wrong try."""

    def __init__(self, store: Store, clock: Clock, tokens: Tokens) -> None:
        self._store = store
        self._clock = clock
        self._tokens = tokens

    def allow(self, account: Account, request: LoginRequest, scope: str) -> str:
        """Return a code for the program that a person lets in. Raises Invalid."""
        if scope not in list(Scope):
            raise Invalid(f"a token's scope is one of {', '.join(Scope)}")
        code, now = secrets.token_urlsafe(32), self._clock.now()
        with self._store.transaction() as tx:
            tx.login_codes.forget(now)
            tx.login_codes.add(LoginCode(account, request, Scope(scope), now + LASTS), hashed(code))
        return code

    def exchange(self, sent: CodeExchange, origin: Origin) -> str:
        """Return the secret of a new token. Raises RefusedCode, Conflict with too many tokens."""
        now = self._clock.now()
        # A transaction of its own: a code is spent, also if it was not this program's.
        with self._store.transaction() as tx:
            code = tx.login_codes.take(hashed(sent.code))
        if code is None:
            raise RefusedCode("the code does not exist, or was used already")
        if why := why_not_exchanged(code, now, sent.client, sent.redirect_uri, sent.verifier):
            raise RefusedCode(why)
        person = Person(code.account.login, Role.NONE, origin)
        name = f"terraform login {now:%Y-%m-%d %H:%M} {secrets.token_hex(2)}"
        return self._tokens.make(code.account, person, name, code.scope.value)
