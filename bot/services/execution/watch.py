"""Watches Terraform for a run: stores its output, renews the lease, notices a cancel."""

from __future__ import annotations

import logging
from datetime import datetime

from bot.domain.errors import LeaseLost, PlangateError
from bot.domain.runs.lifecycle import RunStatus
from bot.domain.runs.run import RunEvent
from bot.domain.runs.timing import INITIALIZED
from bot.services.execution.turns import Turns
from bot.services.ports import Clock, Limits, Store, WatchSignal
from bot.services.runs.transitions import lease_of

log = logging.getLogger(__name__)

_FLUSH_CHARACTERS = 16_384


class RunWatch:
    """The engine's Watch for one stage of one run, under the lease's fencing number.

    A forecast or a drift check stops as soon as another run waits for a worker (promise 2).

    `tick` raises LeaseLost if another worker has the run: this one may not change anything (promise 3).
    """

    def __init__(
        self, store: Store, clock: Clock, limits: Limits, run_id: str, fence: int, stage: str
    ) -> None:
        self._store = store
        self._clock = clock
        self._limits = limits
        self._turns = Turns(store, clock)
        self._run_id = run_id
        self._fence = fence
        self._stage = stage
        self._buffer: list[str] = []
        self._size = 0
        # The stages before may have used most of the lease: the first tick renews it.
        self._renewed: datetime | None = None

    def output(self, text: str) -> None:
        """Take output. It is stored at the next tick, or at once if it is long."""
        self._buffer.append(text)
        self._size += len(text)
        if self._size >= _FLUSH_CHARACTERS:
            self._size = 0
            self.tick()

    def initialized(self) -> None:
        """Note in the timeline that `init` is done. If the database is unavailable, skip it."""
        event = RunEvent(self._run_id, self._clock.now(), INITIALIZED, "", "")
        try:
            with self._store.transaction() as tx:
                tx.leases.check(lease_of(self._run_id), self._fence)
                tx.runs.note(event)
        except LeaseLost:
            raise
        except PlangateError as error:
            log.warning("%s: can't store when init was done: %s", self._run_id, error)

    def flush(self) -> None:
        """Store the output so far."""
        if not self._buffer:
            return
        text = "".join(self._buffer)
        with self._store.transaction() as tx:
            tx.leases.check(lease_of(self._run_id), self._fence)
            tx.artifacts.append_output(self._run_id, self._stage, text)
        self._buffer, self._size = [], 0

    def end(self) -> None:
        """Store the rest of the output. A failure here is not an error: the result of the stage matters more.

        A lost lease is not reported here either: storing the result of the stage reports it.
        """
        try:
            self.flush()
        except PlangateError as error:
            log.warning("%s: the last output is lost: %s", self._run_id, error)

    def tick(self) -> WatchSignal:
        """Store output, renew the lease, and return whether the run should stop.

        A database that is unavailable for a moment stops nothing: interrupting an apply would do harm. If
        another worker takes the run over meanwhile, this is noticed as soon as the database answers.
        """
        try:
            return self._look()
        except LeaseLost:
            raise
        except PlangateError as error:
            log.warning("%s continues although the database does not answer: %s", self._run_id, error)
            return WatchSignal.GO_ON

    def _look(self) -> WatchSignal:
        self.flush()
        now = self._clock.now()
        if self._renewed is None or now - self._renewed >= self._limits.lease / 4:
            with self._store.transaction() as tx:
                tx.leases.renew(lease_of(self._run_id), self._fence, now, self._limits.lease)
            self._renewed = now
        with self._store.reading() as tx:
            run = tx.runs.get(self._run_id)
            gives_way = run.in_background and self._turns.some_wait(tx)
        if run.force_cancel:
            return WatchSignal.KILL
        # A run that has not started is canceled at once.
        stop = gives_way or run.cancel_requested_at or run.status is RunStatus.CANCELED
        return WatchSignal.INTERRUPT if stop else WatchSignal.GO_ON
