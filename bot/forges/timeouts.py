"""How long a forge is waited for, and how long one that asks to be left alone is left alone."""

from __future__ import annotations

from dataclasses import dataclass

from bot.domain.errors import ForgeUnavailable

# Forges renew their budgets every minute or hour: a later moment than that is a mistake of some clock.
LONGEST_WAIT = 3_600.0
# For clients that were told to slow down without being told for how long.
USUAL_WAIT = 60.0


@dataclass(frozen=True)
class Timeouts:
    """How long a call may take, in seconds: to connect, and between two pieces of the answer."""

    connect: float = 5.0
    read: float = 20.0


def limited(where: str, seconds: float = USUAL_WAIT) -> ForgeUnavailable:
    """Return the error for a forge that asks to be left alone for a while."""
    wait = min(max(seconds, 1.0), LONGEST_WAIT)
    return ForgeUnavailable(f"{where} limits our requests; it may be asked again in {wait:.0f} s", wait)
