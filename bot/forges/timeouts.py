"""Timeouts for a forge's answers, and waiting times after a rate limit."""

from __future__ import annotations

from dataclasses import dataclass

from bot.domain.errors import ForgeUnavailable

# Forges renew their budgets every minute or hour: a later moment than that is a mistake of some clock.
LONGEST_WAIT = 3_600.0
# Used if a forge limits our requests without a waiting time.
USUAL_WAIT = 60.0


@dataclass(frozen=True)
class Timeouts:
    """How long a call may take, in seconds: to connect, and between two pieces of the answer."""

    connect: float = 5.0
    read: float = 20.0


def limited(where: str, seconds: float = USUAL_WAIT) -> ForgeUnavailable:
    """Return the error for a forge that limits our requests."""
    wait = min(max(seconds, 1.0), LONGEST_WAIT)
    return ForgeUnavailable(f"{where} limits our requests; try again in {wait:.0f} s", wait)
