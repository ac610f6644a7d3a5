"""Addresses that prove by themselves what they are for: clients send no token to them.

The proof is a part of the path, because clients overwrite the query. It is good for a day.
"""

from __future__ import annotations

import hashlib
import hmac
from datetime import timedelta

from bot.domain.errors import NotFound
from bot.web.request.api_failures import ROOT
from bot.web.request.services import services

GOOD_FOR = timedelta(days=1)


def address(what: str) -> str:
    """Return the absolute address of something below `/api/v2/signed/<proof>/`."""
    # For a whole hour the address stays the same: clients compare and cache it.
    until = int((services().clock.now() + GOOD_FOR).timestamp()) // 3600 * 3600
    return f"{services().addresses.public}{ROOT}/signed/{until}-{_proof(until, what)}/{what}"


def check(proof: str, what: str) -> None:
    """Make sure that a proof is for this, and still good. Raises NotFound."""
    until, _, code = proof.partition("-")
    if not (until.isascii() and until.isdigit() and len(until) < 13):
        raise NotFound("there is no such address")
    good = hmac.compare_digest(_proof(int(until), what).encode(), code.encode("utf-8", "replace"))
    if not good or int(until) < services().clock.now().timestamp():
        raise NotFound("this address is not valid, or not any more")


def _proof(until: int, what: str) -> str:
    key = services().vault.key("signed address")
    return hmac.new(key, f"{until}\n{what}".encode(), hashlib.sha256).hexdigest()[:40]
