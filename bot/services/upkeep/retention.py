"""Retention: deletes old deliveries, failed ones too, old previews' output and plans, and old leases.

Deletes versions of states, and files and output of runs that may have applied, only if a setting says so:
never the current state, nor anything of a workspace under a legal hold. Runs at most once an hour
over all processes, in short transactions.
"""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from bot.services.ports import Clock, Limits, Store, Transaction

log = logging.getLogger(__name__)

_EVERY = timedelta(hours=1)
_AT_A_TIME = 200
_MOST_BATCHES = 50
_SPARE = timedelta(days=1)
# Longer than a forge keeps its deliveries.
_FAILED = timedelta(days=8)


@dataclass(frozen=True)
class RetentionPeriods:
    """How long rows are kept: deliveries after they were received, previews after they ended.

    `runs` and `logs` are for the files and the output of runs that may apply, after they ended. `states` is
    for versions of states, after another one replaced them. None: for ever. `held` names workspaces under a
    legal hold, from which none of these three deletes anything; `*`: all workspaces.
    """

    deliveries: timedelta = timedelta(days=90)
    previews: timedelta = timedelta(days=30)
    runs: timedelta | None = None
    logs: timedelta | None = None
    states: timedelta | None = None
    held: tuple[str, ...] = ()


class RetentionJob:
    """Deletes old rows, at most once an hour."""

    def __init__(self, store: Store, clock: Clock, limits: Limits, retention: RetentionPeriods) -> None:
        self._store = store
        self._clock = clock
        self._limits = limits
        self._retention = retention

    def run(self) -> None:
        """Delete what is older than its retention period. Does nothing if it ran within the hour."""
        now = self._clock.now()
        with self._store.transaction() as tx:
            # The lease is not released, so that nobody repeats this before it expires.
            if tx.leases.take("forgetting", f"{socket.gethostname()}:{os.getpid()}", now, _EVERY) is None:
                return
        retention = self._retention
        steps: tuple[tuple[str, timedelta, Callable[[Transaction, datetime], int]], ...] = (
            ("deliveries", retention.deliveries, lambda tx, at: tx.retention.deliveries(at, _AT_A_TIME)),
            (
                "notifications",
                retention.deliveries,
                lambda tx, at: tx.notification_log.forget(at, _AT_A_TIME),
            ),
            ("failed deliveries", _FAILED, lambda tx, at: tx.retention.failed_deliveries(at, _AT_A_TIME)),
            ("webhooks", retention.previews, lambda tx, at: tx.retention.hook_watches(at, _AT_A_TIME)),
            ("saved plans", self._limits.plan_age + _SPARE, lambda tx, at: tx.retention.saved_plans(at, 50)),
            ("previews", retention.previews, lambda tx, at: tx.retention.previews(at, 50)),
            ("uploads", retention.previews, lambda tx, at: tx.configurations.archive_old(at, 50)),
            ("leases", retention.previews, lambda tx, at: tx.retention.leases(at, _AT_A_TIME)),
        )
        for what, age, forget in (*steps, *self._of_applies()):
            if count := self._forgotten(now - age, forget):
                log.info("%d %s older than %s were forgotten", count, what, age)

    def _of_applies(self) -> Iterator[tuple[str, timedelta, Callable[[Transaction, datetime], int]]]:
        """Return what an operator has set for runs that may apply, and for states."""
        kept = self._retention
        if "*" in kept.held:
            return
        held = kept.held
        if kept.runs is not None:
            yield "files of runs", kept.runs, lambda tx, at: tx.run_retention.files(at, held, 50)
        if kept.logs is not None:
            yield "logs of runs", kept.logs, lambda tx, at: tx.run_retention.output(at, held, 50)
        if kept.states is not None:
            yield "states", kept.states, lambda tx, at: tx.run_retention.states(at, held, 50)

    def _forgotten(self, before: datetime, forget: Callable[[Transaction, datetime], int]) -> int:
        count = 0
        for _ in range(_MOST_BATCHES):
            with self._store.transaction() as tx:
                found = forget(tx, before)
            if not found:
                break
            count += found
        return count
