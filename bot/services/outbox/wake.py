"""The workers to wake after a transaction. If that is lost, the sweep wakes them later (promise 3)."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from bot.domain.runs.run import Run
from bot.services.ports import Dispatch, Transaction

log = logging.getLogger(__name__)


GAP = timedelta(milliseconds=5)
"""Between two transactions of one job. On SQLite one writes at a time: a webhook that waits has its turn."""
# Jobs for so many of them are enough until all of them are stored.
_FIRST = 8


@dataclass
class Wake:
    """Collects, during a transaction, which workers to wake after it.

    `left` has the statuses that runs left, as pairs of the run before and after, for the metrics.
    """

    runs: list[Run] = field(default_factory=list)
    subjects: list[str] = field(default_factory=list)
    waiting: set[str] = field(default_factory=set)
    deliveries: list[str] = field(default_factory=list)
    replays: list[str] = field(default_factory=list)
    forecasts: bool = False
    drift_checks: bool = False
    left: list[tuple[Run, Run]] = field(default_factory=list)
    destinations: list[str] = field(default_factory=list)
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


class HeldBack:
    """Wakes workers for the first of many runs at once, and for the others when all of them are stored.

    Otherwise their plans would take the processors from the job that stores the rest. If that job dies, the
    sweep wakes the workers. Use it in a `with` statement: its end wakes those that are left, also if what is
    stored was decided on what no longer holds.
    """

    def __init__(self, wake_now: Callable[[Wake], None]) -> None:
        self._wake_now = wake_now
        self._left = _FIRST
        self._begun = False
        self._later = Wake()

    def __enter__(self) -> HeldBack:
        return self

    def __exit__(self, kind: object, error: BaseException | None, where: object) -> None:
        if error is None or isinstance(error, Exception):
            self._wake_now(self._later)

    def stored(self, wake: Wake) -> None:
        """Wake workers after a part's transaction: for the first part also to report, for others to start."""
        now, later = wake.runs[: self._left], wake.runs[self._left :]
        self._left -= len(now)
        self._later.runs += later
        if self._begun:
            self._later.waiting |= wake.waiting
            self._later.subjects = list(dict.fromkeys((*self._later.subjects, *wake.subjects)))
            wake = replace(wake, subjects=[], waiting=set())
        self._begun = True
        self._wake_now(replace(wake, runs=now))


def wake_workers(dispatch: Dispatch, wake: Wake) -> None:
    """Wake the workers. If Redis is down, nothing is lost: the sweep wakes them later."""
    try:
        for delivery_id in wake.deliveries:
            dispatch.receive(delivery_id)
        dispatch.advance_all(wake.runs)
        for replay_id in wake.replays:
            dispatch.replay(replay_id)
        for destination in dict.fromkeys(wake.destinations):
            dispatch.notify(destination)
        if wake.forecasts:
            dispatch.forecast()
        if wake.drift_checks:
            dispatch.check_drift()
        for subject in wake.subjects:
            dispatch.report(subject)
        for subject in wake.waiting.difference(wake.subjects):
            # A long queue is reported often: one waiting report for each subject is enough.
            dispatch.report(subject, swept=True)
    except ConnectionError as error:
        log.warning("no worker could be woken (%s); the sweep will", error)
