"""Working trees that killed workers left on this machine: their states are stored, then they are deleted."""

from __future__ import annotations

import logging
from datetime import timedelta

from bot.domain.errors import NotFound
from bot.domain.runs.run import Run
from bot.services.ports import Clock, Engine, Limits, Store
from bot.services.runs.transitions import lease_of
from bot.services.states.kept_aside import NOT_PUSHED, keep

log = logging.getLogger(__name__)

# A worker makes its tree a moment after it took the lease.
_JUST_NOW = timedelta(minutes=1)
_SPARE = timedelta(days=1)


class LeftTrees:
    """Tidies up after killed workers. Every machine does this for itself."""

    def __init__(self, store: Store, clock: Clock, limits: Limits) -> None:
        self._store = store
        self._clock = clock
        self._limits = limits

    def tidy(self, engine: Engine) -> None:
        """Store the states that lie on this machine, and delete the trees and commits that nobody needs.

        Never touches a tree that is in use, nor one whose apply goes on without its worker.
        """
        now = self._clock.now()
        left = engine.left(now - _JUST_NOW)
        old = frozenset(engine.left(now - self._limits.apply - _SPARE))
        with self._store.reading() as tx:
            held = tx.leases.held([lease_of(run_id) for run_id in left], now)
        for run_id in left:
            if lease_of(run_id) not in held:
                self._tidy(engine, run_id, old=run_id in old)
        engine.tidy()

    def _tidy(self, engine: Engine, run_id: str, *, old: bool) -> None:
        run, state = self._run(run_id), engine.left_state(run_id)
        if state is None:
            return
        if state and run is not None:
            with self._store.transaction() as tx:
                fate = keep(tx, run, state, NOT_PUSHED, self._clock.now())
            log.warning("%s: the state in its working tree is stored: %s", run_id, fate.value)
            if run.final:
                engine.state_stored(run_id)
        # A run that is not final may begin again here.
        if old or (run is not None and run.final):
            log.info("the working tree that %s left is removed", run_id)
            engine.clean(run_id)

    def _run(self, run_id: str) -> Run | None:
        try:
            with self._store.reading() as tx:
                return tx.runs.get(run_id)
        except NotFound:
            return None
