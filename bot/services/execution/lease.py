"""A worker's lease on a run, which includes the run's working tree (promise 3)."""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

from bot.domain.errors import LeaseLost
from bot.domain.runs.lifecycle import RunStatus
from bot.domain.workspaces.concurrency import Concurrency
from bot.services.execution.turns import Turns
from bot.services.metrics.catalogue import LEASES_LOST
from bot.services.outbox.wake import Wake
from bot.services.ports import Clock, Engine, Limits, Store
from bot.services.runs.places import take_place
from bot.services.runs.report_subjects import subject_of
from bot.services.runs.transitions import Transitions, lease_of
from bot.services.tracing.context import about

log = logging.getLogger(__name__)

_MOST_TIME = timedelta(seconds=30)


class RunLeases:
    """Takes and releases the leases of runs for a worker."""

    def __init__(
        self, store: Store, clock: Clock, engine: Engine, limits: Limits, transitions: Transitions
    ) -> None:
        self._store = store
        self._clock = clock
        self._engine = engine
        self._limits = limits
        self._transitions = transitions
        self._turns = Turns(store, clock)

    @contextmanager
    def of(self, run_id: str) -> Iterator[int | None]:
        """Take the lease of a run, and a place in its group. Yields its fencing number.

        Yields None if another worker has it, or if its group has no place: another run's end then wakes it.

        Deletes the run's working tree at the end. If the lease was lost, nothing is deleted: the tree may
        belong to the other worker by then. LeaseLost is not passed on.
        """
        owner = f"{socket.gethostname()}:{os.getpid()}"
        self._give_time(run_id)
        wake = Wake()
        with self._store.transaction() as tx:
            run, fence = tx.runs.get(run_id), None
            place, subject = tx.workspaces.get(run.workspace_id), subject_of(tx, run)
            group = place.concurrency
            if take_place(tx, run, group, self._clock, wake):
                fence = tx.leases.take(lease_of(run_id), owner, self._clock.now(), self._limits.lease)
        self._transitions.wake(wake)
        if fence is None:
            yield None
            return
        try:
            try:
                with about(run=run_id, workspace=place.name, change=subject):
                    yield fence
            finally:
                # After a long wait for a forge, this worker may not know that another took the run over.
                self._renew(run_id, fence)
                self._engine.clean(run_id)
        except LeaseLost:
            log.warning("%s: another worker has the run; this one stops", run_id)
            self._transitions.meter.count(LEASES_LOST, of="run")
        finally:
            with self._store.transaction() as tx:
                tx.leases.release(lease_of(run_id), fence, self._clock.now())
            if group is not None:
                self._pass_place_on(group)

    def _pass_place_on(self, group: Concurrency) -> None:
        """Wake the run whose turn it is in a group. If that is lost, the sweep does it."""
        with self._store.reading() as tx:
            found = self._turns.of_group(tx, group.group)
            runs = [tx.runs.get(found)] if found else []
        self._transitions.wake(Wake(runs=runs))

    def _give_time(self, run_id: str) -> None:
        """Wait a little before an apply is taken over, so that its worker can renew its lease.

        All leases expire while the database is away. When it is back, an apply must not lose its worker only
        because another worker was quicker.
        """
        with self._store.reading() as tx:
            applies = tx.runs.get(run_id).status is RunStatus.APPLYING
            expired = tx.leases.expired(lease_of(run_id), self._clock.now())
        if applies and expired:
            self._clock.wait(min(self._limits.lease / 2, _MOST_TIME))

    def _renew(self, run_id: str, fence: int) -> None:
        with self._store.transaction() as tx:
            tx.leases.renew(lease_of(run_id), fence, self._clock.now(), self._limits.lease)
