"""How the local administrator signs in: a password that only this installation's key makes.

It is stored nowhere. That a request comes from this machine proves little: Terraform's processes share its
network, and the code of a change could confirm its own run (promise 5). So it takes a password too.
"""

from __future__ import annotations

import base64
import hmac

from bot.services.ports import Vault

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


def _bare(text: str) -> bytes:
    return "".join(text.split()).replace("-", "").lower().encode("utf-8", "replace")
