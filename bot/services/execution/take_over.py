"""Takes over a run whose worker was lost during its apply: finds out how the apply ended (promise 3).

An apply is never restarted. Its Terraform may have outlived the worker, on this machine or on another one.
"""

from __future__ import annotations

from datetime import timedelta

from bot.domain.runs.run import CUT_OFF, Run
from bot.services.ports import ApplyResult, Clock, Engine, Limits, Store, Transaction, Watch
from bot.services.states.backend import ENDED, SUCCEEDED

# Terraform gives the lock back a moment before its supervisor says how it ended.
_TOLD_WITHIN = timedelta(seconds=30)

FINISHED = "the worker that applied this was lost, but its Terraform finished the apply"


class TakeOver:
    """Finds out how an apply ended whose worker was lost."""

    def __init__(self, store: Store, clock: Clock, engine: Engine, limits: Limits) -> None:
        self._store = store
        self._clock = clock
        self._engine = engine
        self._limits = limits

    def ending(self, run: Run, watch: Watch) -> ApplyResult | None:
        """Wait for the apply's Terraform on this machine, and return how it ended.

        None if it was on another machine and may still be at work there.
        """
        here = self._engine.lost_apply(run.id, watch)
        if here is not None:
            return here
        with self._store.reading() as tx:
            said = [event.message for event in tx.runs.timeline(run.id) if event.kind == ENDED]
            if said:
                return ApplyResult(said[0] == SUCCEEDED, FINISHED if said[0] == SUCCEEDED else CUT_OFF)
            if self._may_live(tx, run):
                return None
        return ApplyResult(False, CUT_OFF)

    def _may_live(self, tx: Transaction, run: Run) -> bool:
        """Whether the run's Terraform holds the state's lock and was not silent for the grace period.

        It also ends by itself, and says so, once it has lost its worker. After its last state, that takes a
        moment.
        """
        run = tx.runs.get(run.id)
        standing = tx.states.locked(run.workspace_id)
        if run.force_cancel:
            return False
        pushed = [v.created_at for v in tx.states.versions(run.workspace_id, 20) if v.run_id == run.id]
        if standing is None or standing.run_id != run.id:
            return bool(pushed) and self._clock.now() - max(pushed) <= _TOLD_WITHIN
        signs = [run.status_at, standing.at, *pushed]
        return self._clock.now() - max(signs) <= self._limits.state_lock_grace
