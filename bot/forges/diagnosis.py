"""What `plangate doctor` is told of how a forge is set up."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

# Who renews a token needs a few days, and somebody who looks.
SOON = timedelta(days=14)


@dataclass(frozen=True)
class Fault:
    """What is wrong on a forge, and what to do about it; not `sure` where things may work all the same."""

    found: str
    advice: str
    sure: bool = True


def ending(ends: datetime | None, now: datetime) -> tuple[Fault, ...]:
    """Return the fault of a token that ends soon, where it does."""
    if ends is None or ends - now > SOON:
        return ()
    left = (ends - now).days
    when = f"on {ends:%Y-%m-%d}, " + ("by now" if left < 0 else f"in {left} day{'' if left == 1 else 's'}")
    return (Fault(f"our token ends {when}", "Renew it, and restart every process", sure=left < 0),)


def unanswered(url: str, code: int, said: str) -> tuple[Fault, ...]:
    """Return the fault of a webhook whose last call had this answer; 0 where it had none."""
    if 200 <= code < 300:
        return ()
    if code == 401:
        advice = "Write the same secret there and into the settings here"
        return (Fault("our last answer to its webhook was 401: its secret is not the one set here", advice),)
    words = f"{code} {said}".strip() if code else said or "no answer"
    return (Fault(f"its last webhook did not get through: {words}", f"See whether it reaches {url}"),)
