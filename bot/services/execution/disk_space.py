"""Disk space: no stage of a run starts while the worker's disk is full."""

from __future__ import annotations

import logging

from bot.domain.runs.lifecycle import APPLY_STAGES, PLAN_STAGES, RunStatus
from bot.domain.runs.run import RunEvent
from bot.services.ports import Clock, Engine, Store
from bot.services.runs.queue_position import has_turn
from bot.services.runs.transitions import lease_of

log = logging.getLogger(__name__)

NEEDS_ROOM = PLAN_STAGES | APPLY_STAGES | {RunStatus.PENDING}
NO_ROOM = "waits for disk space"
"""The line of the timeline of a run that can't start because the worker's disk is full."""


class DiskSpace:
    """Says whether a run can go on with the space that is left."""

    def __init__(self, store: Store, clock: Clock, engine: Engine) -> None:
        self._store = store
        self._clock = clock
        self._engine = engine

    def waits(self, run_id: str, fence: int) -> bool:
        """Whether the run can't go on here because the disk is full. Says so once, and stays as it is."""
        full = self._engine.no_room()
        if not full:
            return False
        with self._store.transaction() as tx:
            tx.leases.check(lease_of(run_id), fence)
            run = tx.runs.get(run_id)
            if run.status not in NEEDS_ROOM or run.cancel_requested_at:
                return False
            if (
                run.status is RunStatus.PENDING
                and not run.plan_only
                and not has_turn(tx, run, for_update=True)
            ):
                return False
            if tx.runs.timeline(run_id)[-1].kind != NO_ROOM:
                tx.runs.note(RunEvent(run_id, self._clock.now(), NO_ROOM, "", full))
        log.warning("%s waits: %s", run_id, full)
        return True
