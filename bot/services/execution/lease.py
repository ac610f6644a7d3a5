"""Holding a run: a worker's lease on it, and its working tree, which is the worker's as long (promise 3)."""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager

from bot.domain.errors import LeaseLost
from bot.services.ports import Clock, Engine, Limits, Store
from bot.services.transitions import lease_of

log = logging.getLogger(__name__)


class Holding:
    """Takes runs for a worker, and lets go of them."""

    def __init__(self, store: Store, clock: Clock, engine: Engine, limits: Limits) -> None:
        self._store = store
        self._clock = clock
        self._engine = engine
        self._limits = limits

    @contextmanager
    def of(self, run_id: str) -> Iterator[int | None]:
        """Hold a run; yields the lease's fencing number, None where another worker has the run.

        Behind it the run's working tree is gone. Where the lease was lost meanwhile nothing is touched: the
        tree may be the other worker's by then. LeaseLost goes no further.
        """
        owner = f"{socket.gethostname()}:{os.getpid()}"
        with self._store.transaction() as tx:
            fence = tx.leases.take(lease_of(run_id), owner, self._clock.now(), self._limits.lease)
        if fence is None:
            yield None
            return
        try:
            try:
                yield fence
            finally:
                # Who waited for a forge for long may not have noticed that another took the run over.
                self._renew(run_id, fence)
                self._engine.clean(run_id)
        except LeaseLost:
            log.warning("%s: another worker has the run; this one lets it be", run_id)
        finally:
            with self._store.transaction() as tx:
                tx.leases.release(lease_of(run_id), fence, self._clock.now())

    def _renew(self, run_id: str, fence: int) -> None:
        with self._store.transaction() as tx:
            tx.leases.renew(lease_of(run_id), fence, self._clock.now(), self._limits.lease)
