"""Looking on while Terraform works for a run: keeps its output and the lease, hears of a cancel."""

from __future__ import annotations

from datetime import datetime

from bot.services.ports import Clock, Limits, Stop, Store
from bot.services.transitions import lease_of

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
        self._renewed: datetime = clock.now()

    def output(self, text: str) -> None:
        """Take output; it is kept at the next tick, or at once where it is much."""
        self._buffer.append(text)
        self._size += len(text)
        if self._size >= _FLUSH_CHARACTERS:
            self.flush()

    def flush(self) -> None:
        """Keep what has come so far."""
        if not self._buffer:
            return
        text, self._buffer, self._size = "".join(self._buffer), [], 0
        with self._store.transaction() as tx:
            tx.leases.check(lease_of(self._run_id), self._fence)
            tx.artifacts.append_output(self._run_id, self._stage, text)

    def tick(self) -> Stop:
        """Keep output and lease, and say whether somebody wants the run to stop."""
        self.flush()
        now = self._clock.now()
        if now - self._renewed >= self._limits.lease / 4:
            with self._store.transaction() as tx:
                tx.leases.renew(lease_of(self._run_id), self._fence, now, self._limits.lease)
            self._renewed = now
        with self._store.reading() as tx:
            run = tx.runs.get(self._run_id)
        if run.force_cancel:
            return Stop.KILL
        return Stop.INTERRUPT if run.cancel_requested_at else Stop.GO_ON
