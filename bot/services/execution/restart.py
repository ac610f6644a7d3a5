"""A plan whose worker was lost begins again; but not for ever, for a plan may be what its workers die of."""

from __future__ import annotations

from datetime import datetime, timedelta

from bot.domain.lifecycle import RunStatus
from bot.domain.run import Run, RunEvent
from bot.services import left_locks
from bot.services.ports import Transaction
from bot.services.transitions import Transitions

MOST = 5
"""How often a plan begins again."""

# Restarts follow each other quickly also where it is the forge that is away: that has a patience of its own.
_AT_LEAST = timedelta(minutes=10)

KILLS = (
    f"its worker was lost each of the {MOST + 1} times that it was planned: it may need more memory or disk "
    "than there is on a worker; once that is mended, retry it"
)


def begin_again(
    tx: Transaction, transitions: Transitions, run: Run, now: datetime
) -> list[tuple[Run, RunEvent]]:
    """Have a run planned from the beginning, or end it where that has not helped (promise 3)."""
    tx.artifacts.clear_output(run.id, "plan")
    if run.status is RunStatus.FETCHING:
        return []  # nothing was begun yet; the forge may have been away
    # A plan writes no state, so that a lost one's lock guards nothing and is only in the way.
    left_locks.release(tx, run, now, "the plan before was lost with its worker")
    before = sum(event.kind == "restarted" for event in tx.runs.timeline(run.id))
    if before >= MOST and now - run.status_at > _AT_LEAST:
        return [transitions.moved(run, RunStatus.ERRORED, message=KILLS, error=KILLS)]
    return [(run, transitions.event(run, "restarted", message="the worker before was lost"))]
