"""The workers to wake after a transaction. If that is lost, the sweep wakes them later (promise 3)."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from datetime import datetime

from bot.domain.runs.run import Run
from bot.services.ports import Dispatch, Transaction

log = logging.getLogger(__name__)


@dataclass
class Wake:
    """Collects, during a transaction, which workers to wake after it."""

    runs: list[Run] = field(default_factory=list)
    subjects: list[str] = field(default_factory=list)
    waiting: set[str] = field(default_factory=set)
    deliveries: list[str] = field(default_factory=list)
    replays: list[str] = field(default_factory=list)
    forecasts: bool = False
    _marked_in: Transaction | None = field(default=None, repr=False)
    _marked: set[str] = field(default_factory=set, repr=False)

    def report(self, tx: Transaction, subject: str, at: datetime) -> None:
        """Mark a subject to be reported, once in a transaction, and wake its worker later."""
        if tx is not self._marked_in:
            self._marked_in, self._marked = tx, set()
        if subject not in self._marked:
            tx.posts.mark_due(at, subject)
            self._marked.add(subject)
        if subject not in self.subjects:
            self.subjects.append(subject)


def wake_workers(dispatch: Dispatch, wake: Wake) -> None:
    """Wake the workers. If Redis is down, nothing is lost: the sweep wakes them later."""
    try:
        for delivery_id in wake.deliveries:
            dispatch.receive(delivery_id)
        for run in wake.runs:
            dispatch.advance(run)
        for replay_id in wake.replays:
            dispatch.replay(replay_id)
        if wake.forecasts:
            dispatch.forecast()
        for subject in wake.subjects:
            dispatch.report(subject)
        for subject in wake.waiting.difference(wake.subjects):
            # A long queue is reported often: one waiting report for each subject is enough.
            dispatch.report(subject, swept=True)
    except ConnectionError as error:
        log.warning("no worker could be woken (%s); the sweep will", error)
