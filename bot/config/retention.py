"""How long data is kept: read from the environment, and checked against harmful values."""

from __future__ import annotations

from datetime import timedelta

from bot.config.problems import Problems
from bot.config.settings import Environment
from bot.services.upkeep.retention import RetentionPeriods

# A forge may send a delivery again, and people who return from the weekend want to see why nothing ran.
_LEAST = timedelta(days=1)
# A failed apply goes on under its approval, and people want to see what was applied last week.
_LEAST_OF_APPLIES = timedelta(days=7)


def read_keeping(env: Environment, problems: Problems) -> RetentionPeriods:
    """Return how long data is kept; less than a day, or a week for what applies left, is a problem."""
    kept = RetentionPeriods(
        env.duration("PLANGATE_KEEP_DELIVERIES"),
        env.duration("PLANGATE_KEEP_PREVIEWS"),
        runs=_or_for_ever(env, "PLANGATE_KEEP_RUNS"),
        logs=_or_for_ever(env, "PLANGATE_KEEP_LOGS"),
        states=_or_for_ever(env, "PLANGATE_KEEP_STATES"),
        held=tuple(name.strip() for name in env.text("PLANGATE_LEGAL_HOLD").split(",") if name.strip()),
    )
    for name, length in (("DELIVERIES", kept.deliveries), ("PREVIEWS", kept.previews)):
        if length < _LEAST:
            problems.add(f"PLANGATE_KEEP_{name}", "must be at least a day, such as 30d")
    for name, found in (("RUNS", kept.runs), ("LOGS", kept.logs), ("STATES", kept.states)):
        if found is not None and found < _LEAST_OF_APPLIES:
            problems.add(f"PLANGATE_KEEP_{name}", "must be at least 7d; unset it to keep everything")
    return kept


def _or_for_ever(env: Environment, name: str) -> timedelta | None:
    return env.duration(name) if env.text(name) else None
