"""Retention: deletes old deliveries, failed ones too, old previews' output and plans, and old leases.

Never deletes a version of a state, nor anything of a run that may have applied. Runs at most once an hour
over all processes, in short transactions.
"""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Callable
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
    """How long rows are kept: deliveries after they were received, previews after they ended."""

    deliveries: timedelta = timedelta(days=90)
    previews: timedelta = timedelta(days=30)


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
        for what, age, forget in steps:
            if count := self._forgotten(now - age, forget):
                log.info("%d %s older than %s were forgotten", count, what, age)

    def _forgotten(self, before: datetime, forget: Callable[[Transaction, datetime], int]) -> int:
        count = 0
        for _ in range(_MOST_BATCHES):
            with self._store.transaction() as tx:
                found = forget(tx, before)
            if not found:
                break
            count += found
        return count
