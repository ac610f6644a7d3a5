"""Signing in with a forge: out to it, and back with its answer to the very browser that was sent.

What must be known when the browser comes back it carries itself, sealed, in a cookie: nothing is kept for
those who never come back.
"""

from __future__ import annotations

import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from bot.domain.accounts import Account
from bot.domain.errors import Forbidden, Invalid, NotFound, PlangateError
from bot.services.ports import Clock, SignIn, Vault

LASTS = timedelta(minutes=15)
"""How long somebody may take at the forge."""

_AGAIN = "this sign-in was begun in another browser, or too long ago: sign in again"


@dataclass(frozen=True)
class Sent:
    """Where the browser is sent, and what it is to carry."""

    url: str
    sealed: str = field(repr=False)


@dataclass(frozen=True)
class Back:
    """What the browser comes back with: the forge's answer, and what it carries."""

    state: str
    code: str = field(repr=False)
    error: str
    sealed: str = field(repr=False)


class ForgeSignIn:
    """The forges with which people sign in, by name."""

    def __init__(self, ways: Mapping[str, SignIn], vault: Vault, clock: Clock, public: str) -> None:
        self.ways = ways
        self._vault = vault
        self._clock = clock
        self._public = public

    def callback(self, forge: str) -> str:
        """Return the address to which a forge sends people back: it must be registered there."""
        return f"{self._public}/sign-in/{forge}/callback"

    def begin(self, forge: str, wanted: str) -> Sent:
        """Send a browser out that wants to see the path `wanted` afterwards. Raises NotFound."""
        leaving = self._way(forge).begin(self.callback(forge))
        until = (self._clock.now() + LASTS).timestamp()
        carried = [forge, leaving.state, leaving.verifier, wanted, until]
        return Sent(leaving.url, self._vault.encrypt(json.dumps(carried).encode()).decode())

    def finish(self, forge: str, back: Back) -> tuple[Account, str]:
        """Return who came back, and the path that they wanted to see.

        Raises NotFound, Forbidden (the person said no), Invalid (begin again), ForgeUnavailable,
        ForgeRefused.
        """
        way = self._way(forge)
        begun_at, state, verifier, wanted, until = self._opened(back.sealed)
        fits = hmac.compare_digest(state.encode(), back.state.encode("utf-8", "replace"))
        if not fits or begun_at != forge or self._clock.now().timestamp() >= until:
            raise Invalid(_AGAIN)
        if back.error == "access_denied":
            raise Forbidden(f"you did not let {way.title} tell who you are, so nobody is signed in")
        if back.error or not back.code:
            word = "".join(c for c in back.error[:60] if c.isalnum() or c in "_-") or "no code"
            raise Invalid(f"{way.title} did not say who you are ({word}): sign in again")
        return way.finish(self.callback(forge), back.code, verifier), wanted

    def _way(self, forge: str) -> SignIn:
        if forge not in self.ways:
            raise NotFound(f"nobody signs in with {forge} here")
        return self.ways[forge]

    def _opened(self, sealed: str) -> tuple[str, str, str, str, float]:
        try:
            carried = json.loads(self._vault.decrypt(sealed.encode("utf-8", "replace")))
        except PlangateError:
            raise Invalid(_AGAIN) from None
        # Sealed by us alone: it has the form that `begin` gave it.
        forge, state, verifier, wanted, until = carried
        return forge, state, verifier, wanted, until
