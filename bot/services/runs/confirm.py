"""The steps from a plan that waits to an apply that is queued, whoever or whatever confirms it."""

from __future__ import annotations

from bot.domain.lifecycle import RunStatus
from bot.domain.run import Run, RunEvent
from bot.services.transitions import Transitions


def confirmed(transitions: Transitions, run: Run, by: str, comment: str = "") -> list[tuple[Run, RunEvent]]:
    """Return the steps from a plan that waits to an apply that is queued."""
    first = transitions.moved(run, RunStatus.CONFIRMED, by, comment, confirmed_by=by)
    return [first, transitions.moved(first[0], RunStatus.APPLY_QUEUED)]
