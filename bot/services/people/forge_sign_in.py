"""Sign-in with a forge: the redirect to the forge, and the callback to the same browser.

The browser carries the state of the sign-in itself, encrypted, in a cookie. Nothing is stored on the server
for people who never come back.
"""

from __future__ import annotations

import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from bot.domain.errors import Forbidden, Invalid, NotFound, PlangateError
from bot.domain.people.accounts import Account
from bot.services.ports import Clock, SignIn, Vault

LASTS = timedelta(minutes=15)
"""How long a sign-in at the forge may take."""

_AGAIN = "this sign-in was started in another browser, or too long ago: sign in again"


@dataclass(frozen=True)
class SignInRedirect:
    """The address that the browser is redirected to, and the encrypted state that it carries."""

    url: str
    sealed: str = field(repr=False)


@dataclass(frozen=True)
class SignInCallback:
    """The forge's answer in the callback, and the encrypted state that the browser carried."""

    state: str
    code: str = field(repr=False)
    error: str
    sealed: str = field(repr=False)


class ForgeSignIn:
    """The forges that people sign in with, by name."""

    def __init__(self, ways: Mapping[str, SignIn], vault: Vault, clock: Clock, public: str) -> None:
        self.ways = ways
        self._vault = vault
        self._clock = clock
        self._public = public

    def callback(self, forge: str) -> str:
        """Return the callback address of a forge. It must be registered at the forge."""
        return f"{self._public}/sign-in/{forge}/callback"

    def begin(self, forge: str, wanted: str) -> SignInRedirect:
        """Start a sign-in. `wanted` is the path to show afterwards. Raises NotFound."""
        leaving = self._way(forge).begin(self.callback(forge))
        until = (self._clock.now() + LASTS).timestamp()
        carried = [forge, leaving.state, leaving.verifier, wanted, until]
        return SignInRedirect(leaving.url, self._vault.encrypt(json.dumps(carried).encode()).decode())

    def finish(self, forge: str, back: SignInCallback) -> tuple[Account, str]:
        """Return the account of the person, and the path that they wanted to see.

        Raises NotFound, Forbidden (the person said no), Invalid (begin again), ForgeUnavailable,
        ForgeRefused.
        """
        way = self._way(forge)
        begun_at, state, verifier, wanted, until = self._opened(back.sealed)
        fits = hmac.compare_digest(state.encode(), back.state.encode("utf-8", "replace"))
        if not fits or begun_at != forge or self._clock.now().timestamp() >= until:
            raise Invalid(_AGAIN)
        if back.error == "access_denied":
            raise Forbidden(f"you declined at {way.title}, so you are not signed in")
        if back.error or not back.code:
            word = "".join(c for c in back.error[:60] if c.isalnum() or c in "_-") or "no code"
            raise Invalid(f"{way.title} did not say who you are ({word}): sign in again")
        return way.finish(self.callback(forge), back.code, verifier), wanted

    def _way(self, forge: str) -> SignIn:
        if forge not in self.ways:
            raise NotFound(f"sign-in with {forge} is not configured")
        return self.ways[forge]

    def _opened(self, sealed: str) -> tuple[str, str, str, str, float]:
        try:
            carried = json.loads(self._vault.decrypt(sealed.encode("utf-8", "replace")))
        except PlangateError:
            raise Invalid(_AGAIN) from None
        # Only this server can encrypt it, so it has the form that `begin` gave it.
        forge, state, verifier, wanted, until = carried
        return forge, state, verifier, wanted, until
