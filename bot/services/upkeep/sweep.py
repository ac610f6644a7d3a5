"""Finding what is due and nobody works on: deliveries, runs, reports, replays (promise 3).

Redis only carries ids; a worker can die at any moment. The sweep asks the database what should go on and
wakes workers for it. It decides nothing itself but that a lost worker's lock on a state is over, and what is
old enough to be forgotten, so that running it twice, or by many, does no harm.
"""

from __future__ import annotations

from datetime import timedelta

from bot.domain.lifecycle import UNDER_WAY, RunStatus
from bot.domain.run import Run
from bot.services.forgetting import Forgetting
from bot.services.left_locks import LeftLocks
from bot.services.ports import Clock, Dispatch, Engine, RunQuery, Store, Transaction
from bot.services.transitions import lease_of
from bot.services.turns import whose_turn

_JUST_NOW = timedelta(seconds=5)
_AT_A_TIME = 500


class Sweep:
    """Wakes workers for whatever the database says is due."""

    def __init__(
        self, store: Store, clock: Clock, dispatch: Dispatch, left_locks: LeftLocks, forgetting: Forgetting
    ) -> None:
        self._store = store
        self._clock = clock
        self._dispatch = dispatch
        self._left_locks = left_locks
        self._forgetting = forgetting

    def run(self) -> int:
        """Wake workers for what is due; return for how much."""
        self._left_locks.release_all()
        now = self._clock.now()
        with self._store.reading() as tx:
            deliveries = tx.deliveries.due(now - _JUST_NOW, _AT_A_TIME)
            runs = self._runs(tx)
            subjects = tx.posts.due(now, _AT_A_TIME)
            replays = tx.replays.due(now - _JUST_NOW, _AT_A_TIME)
        for delivery_id in deliveries:
            self._dispatch.receive(delivery_id, swept=True)
        for run in runs:
            self._dispatch.advance(run, swept=True)
        for subject in subjects:
            self._dispatch.report(subject, swept=True)
        for replay_id in replays:
            self._dispatch.replay(replay_id, swept=True)
        self._forgetting.run()
        return len(deliveries) + len(runs) + len(subjects) + len(replays)

    def tidy(self, engine: Engine) -> None:
        """Remove what killed workers have left on this machine."""
        self._forgetting.trees(engine)

    def _runs(self, tx: Transaction) -> list[Run]:
        """Return the runs that should be going on, and whose worker is gone or never came."""
        now = self._clock.now()
        statuses = frozenset(status.value for status in UNDER_WAY)
        unfinished = tx.runs.find(RunQuery(statuses=statuses, limit=10 * _AT_A_TIME))
        held = tx.leases.held([lease_of(run.id) for run in unfinished], now)
        free = [r for r in unfinished if lease_of(r.id) not in held]
        waiting = {r.workspace_id for r in free if r.status is RunStatus.PENDING and not r.plan_only}
        turns = set()
        for workspace_id in waiting:
            turn = whose_turn(tx, workspace_id)
            if turn is not None:
                turns.add(turn.id)
        due = [r for r in free if r.plan_only or r.status is not RunStatus.PENDING or r.id in turns]
        return [r for r in due if now - r.status_at > _JUST_NOW or r.status is not RunStatus.PENDING]
