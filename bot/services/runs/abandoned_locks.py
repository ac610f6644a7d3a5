"""State locks that a run's Terraform left: released once it can't write any more (promise 3).

If the worker saw the process end, the lock is released at once. If the worker was lost, its Terraform may
still push the state and unlock. Then the lock is released only after a long silence.
"""

from __future__ import annotations

import logging
from datetime import datetime

from bot.domain.runs.run import Run, RunEvent
from bot.services.outbox.wake import Wake
from bot.services.ports import Clock, Limits, StateLock, Store, Transaction
from bot.services.runs.transitions import Transitions, lease_of

log = logging.getLogger(__name__)

KIND = "state unlocked"


def release(tx: Transaction, run: Run, at: datetime, why: str, by: str = "plangate") -> bool:
    """Release the state's lock if this run holds it, and note it in the timeline. Return False if not."""
    standing = tx.states.locked(run.workspace_id)
    if standing is None or standing.run_id != run.id:
        return False
    tx.states.unlock(run.workspace_id, standing.lock_id)
    tx.runs.note(RunEvent(run.id, at, KIND, by, why))
    log.warning("%s: the state of %s was unlocked: %s", run.id, run.workspace_id, why)
    return True


class AbandonedLocks:
    """Releases the locks of finished runs whose worker was lost."""

    def __init__(self, store: Store, clock: Clock, transitions: Transitions, limits: Limits) -> None:
        self._store = store
        self._clock = clock
        self._transitions = transitions
        self._limits = limits

    def release_all(self) -> int:
        """Release all abandoned locks and return their number. Safe to call often and in parallel."""
        with self._store.reading() as tx:
            over = [lock for lock in tx.state_locks.all() if self._is_over(tx, lock)]
        return sum(self._release(lock) for lock in over)

    def _release(self, lock: StateLock) -> bool:
        wake = Wake()
        with self._store.transaction() as tx:
            tx.workspaces.get(lock.workspace_id, for_update=True)
            standing = tx.states.locked(lock.workspace_id)
            if standing is None or standing.lock_id != lock.lock_id or not self._is_over(tx, standing):
                return False
            minutes = int(self._limits.state_lock_grace.total_seconds() // 60)
            why = f"its worker was lost, and its Terraform was silent for {minutes} minutes"
            released = release(tx, tx.runs.get(lock.run_id), self._clock.now(), why)
            self._transitions.next(tx, lock.workspace_id, wake)
        self._transitions.wake(wake)
        return released

    def _is_over(self, tx: Transaction, lock: StateLock) -> bool:
        """Whether the run is final, has no worker, and its Terraform was silent for the grace period."""
        if not lock.run_id:
            return False
        run, now = tx.runs.get(lock.run_id), self._clock.now()
        if not run.final or tx.leases.held([lease_of(run.id)], now):
            return False
        pushed = [v.created_at for v in tx.states.versions(lock.workspace_id, 20) if v.run_id == run.id]
        return now - max([run.status_at, lock.at, *pushed]) > self._limits.state_lock_grace
