"""The steps from a waiting plan to a queued apply, for every kind of confirmation."""

from __future__ import annotations

from bot.domain.runs.lifecycle import RunStatus
from bot.domain.runs.run import Run
from bot.services.runs.transitions import Moves, Transitions


def confirmed(transitions: Transitions, run: Run, by: str, comment: str = "") -> Moves:
    """Return the steps from a waiting plan to a queued apply."""
    first = transitions.moved(run, RunStatus.CONFIRMED, by, comment, confirmed_by=by)
    return [first, transitions.moved(first[0], RunStatus.APPLY_QUEUED)]
