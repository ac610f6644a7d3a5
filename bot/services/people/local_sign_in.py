"""Sign-in of the local administrator: a password derived from the key of this installation.

It is not stored. A request from this machine proves little: Terraform's processes share its network, so the
code of a change could confirm its own run (promise 5). That is why the password is needed.
"""

from __future__ import annotations

import base64
import hmac

from bot.services.ports import Vault

# 120 bits: too many to guess.
_PASSWORD_BYTES = 15
_GROUP = 6


def password(vault: Vault) -> str:
    """Return the local administrator's password, the same in every process of an installation."""
    letters = base64.b32encode(vault.key("local admin")[:_PASSWORD_BYTES]).decode().lower()
    return "-".join(letters[at : at + _GROUP] for at in range(0, len(letters), _GROUP))


def address(public: str, vault: Vault) -> str:
    """Return the address at which the local administrator signs in.

    The password is in the fragment. Browsers don't send fragments, so it reaches no server, proxy or log
    (promise 6).
    """
    return f"{public}/sign-in#{password(vault)}"


def fits(vault: Vault, attempt: str) -> bool:
    """Whether this is the password. Accepts the whole address, no dashes, and capitals."""
    return hmac.compare_digest(_bare(attempt.rpartition("#")[2]), _bare(password(vault)))


def _bare(text: str) -> bytes:
    return "".join(text.split()).replace("-", "").lower().encode("utf-8", "replace")
