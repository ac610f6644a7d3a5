"""Faults in a forge's setup, for `plangate doctor`."""

from __future__ import annotations

from datetime import datetime, timedelta

from bot.services.ports import ForgeFault

# People need a few days to notice the warning and renew a token.
SOON = timedelta(days=14)


def ending(ends: datetime | None, now: datetime) -> tuple[ForgeFault, ...]:
    """Return the fault of a token that ends soon, if it does."""
    if ends is None or ends - now > SOON:
        return ()
    left = (ends - now).days
    when = f"on {ends:%Y-%m-%d}, " + ("by now" if left < 0 else f"in {left} day{'' if left == 1 else 's'}")
    return (ForgeFault(f"our token ends {when}", "Renew it, and restart every process", sure=left < 0),)


def unanswered(url: str, code: int, said: str) -> tuple[ForgeFault, ...]:
    """Return the fault of a webhook whose last call had this answer; 0 if it had none."""
    if 200 <= code < 300:
        return ()
    if code == 401:
        advice = "Set the same secret on the forge and in the settings"
        return (
            ForgeFault(
                "our last answer to its webhook was 401: its secret differs from the one set here", advice
            ),
        )
    words = f"{code} {said}".strip() if code else said or "no answer"
    return (ForgeFault(f"its last webhook did not get through: {words}", f"Check that it reaches {url}"),)
