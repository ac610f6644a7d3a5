"""Looking on while Terraform works for a run: keeps its output and the lease, hears of a cancel."""

from __future__ import annotations

import logging
from datetime import datetime

from bot.domain.errors import LeaseLost, PlangateError
from bot.domain.run import RunEvent
from bot.domain.timing import INITIALIZED
from bot.services.ports import Clock, Limits, Stop, Store
from bot.services.transitions import lease_of

log = logging.getLogger(__name__)

_FLUSH_CHARACTERS = 16_384


class RunWatch:
    """The engine's Watch for one stage of one run, under the lease's fencing number.

    `tick` raises LeaseLost once another worker has the run: this one may change nothing any more (promise 3).
    """

    def __init__(
        self, store: Store, clock: Clock, limits: Limits, run_id: str, fence: int, stage: str
    ) -> None:
        self._store = store
        self._clock = clock
        self._limits = limits
        self._run_id = run_id
        self._fence = fence
        self._stage = stage
        self._buffer: list[str] = []
        self._size = 0
        # The stages before may have taken the most of the lease: the first look renews it.
        self._renewed: datetime | None = None

    def output(self, text: str) -> None:
        """Take output; it is kept at the next tick, or at once where it is much."""
        self._buffer.append(text)
        self._size += len(text)
        if self._size >= _FLUSH_CHARACTERS:
            self._size = 0
            self.tick()

    def initialized(self) -> None:
        """Note in the timeline that `init` is done; not worth an error where the database is away."""
        event = RunEvent(self._run_id, self._clock.now(), INITIALIZED, "", "")
        try:
            with self._store.transaction() as tx:
                tx.leases.check(lease_of(self._run_id), self._fence)
                tx.runs.note(event)
        except LeaseLost:
            raise
        except PlangateError as error:
            log.warning("%s: when init was done is not kept: %s", self._run_id, error)

    def flush(self) -> None:
        """Keep what has come so far."""
        if not self._buffer:
            return
        text = "".join(self._buffer)
        with self._store.transaction() as tx:
            tx.leases.check(lease_of(self._run_id), self._fence)
            tx.artifacts.append_output(self._run_id, self._stage, text)
        self._buffer, self._size = [], 0

    def end(self) -> None:
        """Keep what is left. How the stage ended matters more: to lose its last words is no error.

        Nor is a lease that was lost, here: whoever keeps how the stage ended hears of it.
        """
        try:
            self.flush()
        except PlangateError as error:
            log.warning("%s: the last output is lost: %s", self._run_id, error)

    def tick(self) -> Stop:
        """Keep output and lease, and say whether somebody wants the run to stop.

        A database that is away for a moment stops nothing: an apply cut off for it would do harm. Whoever
        takes the run over meanwhile has the lease, which is noticed as soon as the database answers.
        """
        try:
            return self._look()
        except LeaseLost:
            raise
        except PlangateError as error:
            log.warning("%s goes on though the database does not answer: %s", self._run_id, error)
            return Stop.GO_ON

    def _look(self) -> Stop:
        self.flush()
        now = self._clock.now()
        if self._renewed is None or now - self._renewed >= self._limits.lease / 4:
            with self._store.transaction() as tx:
                tx.leases.renew(lease_of(self._run_id), self._fence, now, self._limits.lease)
            self._renewed = now
        with self._store.reading() as tx:
            run = tx.runs.get(self._run_id)
        if run.force_cancel:
            return Stop.KILL
        return Stop.INTERRUPT if run.cancel_requested_at else Stop.GO_ON
