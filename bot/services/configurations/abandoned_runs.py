"""Runs of uploads that wait for a person who is gone, such as a CLI that was closed: they are discarded.

Nobody else looks for them: they have no pull request. Until then, a waiting run holds its workspace.
"""

from __future__ import annotations

import logging
from datetime import datetime, timedelta

from bot.domain.errors import Conflict, IllegalMove
from bot.domain.runs.lifecycle import AWAITS_PERSON, RunStatus
from bot.domain.runs.run import Run
from bot.services.ports import Clock, RunQuery, Store, Transaction
from bot.services.runs.cancel import PLANGATE, discarded
from bot.services.runs.transitions import Moves, Transitions

log = logging.getLogger(__name__)

_AT_A_TIME = 500
_WAITING = frozenset(status.value for status in AWAITS_PERSON | {RunStatus.PLANNED_AND_SAVED})


class AbandonedRuns:
    """Discards runs of uploads, saved plans too, that wait for a decision for longer than `patience`."""

    def __init__(self, store: Store, clock: Clock, transitions: Transitions, patience: timedelta) -> None:
        self._store = store
        self._clock = clock
        self._transitions = transitions
        self._patience = patience

    def discard_all(self) -> int:
        """Discard them and return their number. Safe to call often and in parallel."""
        before = self._clock.now() - self._patience
        with self._store.reading() as tx:
            found = tx.runs.find(RunQuery(statuses=_WAITING, uploaded=True, limit=_AT_A_TIME))
        return sum(self._discard(run, before) for run in found if _abandoned(run, before))

    def _discard(self, run: Run, before: datetime) -> bool:
        why = f"nobody confirmed or discarded it within {_words(self._patience)}"

        def step(_tx: Transaction, run: Run) -> Moves:
            return discarded(self._transitions, run, PLANGATE, why) if _abandoned(run, before) else ()

        try:
            self._transitions.change(run.id, step)
        except (IllegalMove, Conflict):
            return False  # Somebody else was quicker: the next sweep looks again.
        log.info("%s was discarded: %s", run.id, why)
        return True


def _abandoned(run: Run, before: datetime) -> bool:
    return run.uploaded and run.discardable and run.status in _WAITING and run.status_at < before


def _words(patience: timedelta) -> str:
    hours, minutes = divmod(int(patience.total_seconds()) // 60, 60)
    return f"{hours} hours" if hours and not minutes else f"{hours * 60 + minutes} minutes"
