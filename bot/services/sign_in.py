"""How the local administrator signs in: a password that only this installation's key makes, and a session.

Nothing is stored. That a request comes from this machine proves little: Terraform's processes share its
network, and the code of a change could confirm its own run (promise 5). So it takes a password too.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from datetime import timedelta

from bot.services.ports import Clock, Vault

LASTS = timedelta(hours=12)
"""How long a session lasts."""

# 120 bits: nothing that anybody tries out, however fast.
_PASSWORD_BYTES = 15
_GROUP = 6


def password(vault: Vault) -> str:
    """Return the local administrator's password, the same in every process of an installation."""
    letters = base64.b32encode(vault.key("local admin")[:_PASSWORD_BYTES]).decode().lower()
    return "-".join(letters[at : at + _GROUP] for at in range(0, len(letters), _GROUP))


def address(public: str, vault: Vault) -> str:
    """Return where the local administrator signs in.

    The password is in the fragment, which browsers keep to themselves: it reaches no server, proxy or log
    (promise 6).
    """
    return f"{public}/sign-in#{password(vault)}"


def fits(vault: Vault, attempt: str) -> bool:
    """Whether this is the password, however it was copied: with its address, without dashes, in capitals."""
    return hmac.compare_digest(_bare(attempt.rpartition("#")[2]), _bare(password(vault)))


class Sessions:
    """Makes and checks what the browser keeps: who signed in until when, signed."""

    def __init__(self, vault: Vault, clock: Clock) -> None:
        self._vault = vault
        self._clock = clock

    def begin(self, login: str) -> str:
        """Return a session of whoever has just given the password."""
        until = int((self._clock.now() + LASTS).timestamp())
        return f"{until}.{self._mac(login, until)}"

    def holds(self, login: str, session: str) -> bool:
        """Whether it is a session of ours, of this login, and not over."""
        until, _, mac = session.partition(".")
        if not (until.isascii() and until.isdigit() and len(until) < 13):
            return False
        if not hmac.compare_digest(self._mac(login, int(until)).encode(), mac.encode("utf-8", "replace")):
            return False
        return self._clock.now().timestamp() < int(until)

    def _mac(self, login: str, until: int) -> str:
        fields = json.dumps([login, until]).encode()
        return hmac.new(self._vault.key("session"), fields, hashlib.sha256).hexdigest()


def _bare(text: str) -> bytes:
    return "".join(text.split()).replace("-", "").lower().encode("utf-8", "replace")
