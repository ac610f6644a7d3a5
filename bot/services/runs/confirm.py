"""The steps from a waiting plan to a queued apply, for every kind of confirmation."""

from __future__ import annotations

from bot.domain.runs.lifecycle import RunStatus
from bot.domain.runs.run import Run
from bot.services.runs.transitions import Moves, Transitions


def confirmed(transitions: Transitions, run: Run, by: str, comment: str = "") -> Moves:
    """Return the steps from a waiting plan to a queued apply, or from a saved plan to the queue."""
    if run.saved:
        # Others may hold the workspace: it takes its place in the queue, and is not planned again.
        return [
            transitions.moved(run, RunStatus.PENDING, by, comment, confirmed_by=by, plan_only=False),
        ]
    first = transitions.moved(run, RunStatus.CONFIRMED, by, comment, confirmed_by=by)
    return [first, transitions.moved(first[0], RunStatus.APPLY_QUEUED)]


def taking_turn(transitions: Transitions, run: Run) -> Moves:
    """Return the steps of a confirmed saved plan whose turn it is: to its apply."""
    first = transitions.moved(run, RunStatus.CONFIRMED, run.confirmed_by)
    return [first, transitions.moved(first[0], RunStatus.APPLY_QUEUED)]
