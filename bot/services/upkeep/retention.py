"""Forgetting what nobody needs any more: old deliveries, old previews' output and plans, leases of the past.

Never a version of a state, nor anything of a run that may have applied. An hour passes between two rounds,
whoever asks; a round is cut into short transactions.
"""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from bot.services.ports import Clock, Engine, Limits, Store, Transaction
from bot.services.transitions import lease_of

log = logging.getLogger(__name__)

_EVERY = timedelta(hours=1)
_AT_A_TIME = 200
_MOST_BATCHES = 50
_SPARE = timedelta(days=1)


@dataclass(frozen=True)
class Keeping:
    """How long what is kept: deliveries since they came, previews since they ended."""

    deliveries: timedelta = timedelta(days=90)
    previews: timedelta = timedelta(days=30)


class Forgetting:
    """Forgets, at most once an hour."""

    def __init__(self, store: Store, clock: Clock, limits: Limits, keeping: Keeping) -> None:
        self._store = store
        self._clock = clock
        self._limits = limits
        self._keeping = keeping

    def run(self) -> None:
        """Forget what is older than it is kept; nothing where somebody has within the hour."""
        now = self._clock.now()
        with self._store.transaction() as tx:
            # It is not let go: so nobody does it again before it runs out.
            if tx.leases.take("forgetting", f"{socket.gethostname()}:{os.getpid()}", now, _EVERY) is None:
                return
        keeping = self._keeping
        steps: tuple[tuple[str, timedelta, Callable[[Transaction, datetime], int]], ...] = (
            ("deliveries", keeping.deliveries, lambda tx, at: tx.retention.deliveries(at, _AT_A_TIME)),
            ("saved plans", self._limits.plan_age + _SPARE, lambda tx, at: tx.retention.saved_plans(at, 50)),
            ("previews", keeping.previews, lambda tx, at: tx.retention.previews(at, 50)),
            ("leases", keeping.previews, lambda tx, at: tx.retention.leases(at, _AT_A_TIME)),
        )
        for what, age, forget in steps:
            if count := self._forgotten(now - age, forget):
                log.info("%d %s older than %s were forgotten", count, what, age)

    def trees(self, engine: Engine) -> None:
        """Remove the working trees on this machine that killed workers have left, when a worker starts.

        Not before an apply that its worker was lost of must be over, and never one that somebody works in.
        """
        now = self._clock.now()
        left = engine.left(now - self._limits.apply - _SPARE)
        with self._store.reading() as tx:
            held = tx.leases.held([lease_of(run_id) for run_id in left], now)
        for run_id in left:
            if lease_of(run_id) not in held:
                log.info("the working tree that %s left is removed", run_id)
                engine.clean(run_id)

    def _forgotten(self, before: datetime, forget: Callable[[Transaction, datetime], int]) -> int:
        count = 0
        for _ in range(_MOST_BATCHES):
            with self._store.transaction() as tx:
                found = forget(tx, before)
            if not found:
                break
            count += found
        return count
