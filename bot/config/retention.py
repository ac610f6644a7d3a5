"""How long what is kept: read from the environment, and held against what would harm."""

from __future__ import annotations

from datetime import timedelta

from bot.config.problems import Problems
from bot.config.settings import Environment
from bot.services.forgetting import Keeping

# A forge may send a delivery again, and whoever comes back from the weekend wants to see why nothing ran.
_LEAST = timedelta(days=1)


def read_keeping(env: Environment, problems: Problems) -> Keeping:
    """Return how long deliveries and previews are kept; what is less than a day is noted."""
    kept = Keeping(env.duration("PLANGATE_KEEP_DELIVERIES"), env.duration("PLANGATE_KEEP_PREVIEWS"))
    for name, length in (("DELIVERIES", kept.deliveries), ("PREVIEWS", kept.previews)):
        if length < _LEAST:
            problems.add(f"PLANGATE_KEEP_{name}", "must be a day at least, such as 30d")
    return kept
