"""How long data is kept: read from the environment, and checked against harmful values."""

from __future__ import annotations

from datetime import timedelta

from bot.config.problems import Problems
from bot.config.settings import Environment
from bot.services.upkeep.retention import RetentionPeriods

# A forge may send a delivery again, and people who return from the weekend want to see why nothing ran.
_LEAST = timedelta(days=1)


def read_keeping(env: Environment, problems: Problems) -> RetentionPeriods:
    """Return how long deliveries and previews are kept; less than a day is a problem."""
    kept = RetentionPeriods(env.duration("PLANGATE_KEEP_DELIVERIES"), env.duration("PLANGATE_KEEP_PREVIEWS"))
    for name, length in (("DELIVERIES", kept.deliveries), ("PREVIEWS", kept.previews)):
        if length < _LEAST:
            problems.add(f"PLANGATE_KEEP_{name}", "must be at least a day, such as 30d")
    return kept
