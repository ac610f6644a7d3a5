"""Restarts a plan whose worker was lost. A plan is retried a few times, because it may crash its worker."""

from __future__ import annotations

from datetime import datetime, timedelta

from bot.domain.runs.lifecycle import RunStatus
from bot.domain.runs.run import Run, RunEvent
from bot.services.ports import Transaction
from bot.services.runs import abandoned_locks
from bot.services.runs.transitions import Transitions

MOST = 5
"""How often a plan is restarted."""

# If the forge is down, restarts follow each other quickly. That has a time limit of its own.
_AT_LEAST = timedelta(minutes=10)

KILLS = (
    f"its worker was lost each of the {MOST + 1} times that it was planned: it may need more memory or disk "
    "than there is on a worker; fix that, then retry it"
)


def begin_again(
    tx: Transaction, transitions: Transitions, run: Run, now: datetime
) -> list[tuple[Run, RunEvent]]:
    """Plan the run from the beginning, or end it after too many restarts (promise 3)."""
    tx.artifacts.clear_output(run.id, "plan")
    if run.status is RunStatus.FETCHING:
        return []  # nothing has begun yet; the forge may have been down
    # A plan writes no state, so the lock of a lost plan protects nothing.
    abandoned_locks.release(tx, run, now, "the plan before was lost with its worker")
    before = sum(event.kind == "restarted" for event in tx.runs.timeline(run.id))
    if before >= MOST and now - run.status_at > _AT_LEAST:
        return [transitions.moved(run, RunStatus.ERRORED, message=KILLS, error=KILLS)]
    return [(run, transitions.event(run, "restarted", message="the worker before was lost"))]
