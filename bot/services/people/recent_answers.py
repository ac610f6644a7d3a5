"""Shares between processes that the forge had nothing against something a moment ago.

Each run has a process of its own. Without this, 100 runs of one `/apply` ask the forge the same five
questions 100 times. Only good answers are shared, and only while they are young: a refusal always comes from
an answer to the run that is refused.
"""

from __future__ import annotations

import hashlib
import os
import socket
from collections.abc import Callable
from datetime import datetime, timedelta

from bot.services.ports import Clock, Store

_KEPT = timedelta(seconds=60)
# So long is a process waited for that asks the same, and so long is it believed to be at it.
_PATIENCE = timedelta(seconds=3)
_CLAIM = timedelta(seconds=10)
_LOOK = timedelta(milliseconds=100)
_GOOD = "good"


class RecentAnswers:
    """Asks once what several processes want to know at the same time.

    A good answer is stored as a lease that expires. `name` must hold everything that the answer depends on.
    """

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    def once(self, name: str, within: timedelta, ask: Callable[[], str]) -> str:
        """Return what `ask` says is wrong. Empty, without asking, if it said so within that time.

        The time counts from before the question. Raises what `ask` raises. `within` of at most a minute.
        """
        key = hashlib.sha256(name.encode()).hexdigest()
        until = self._clock.now() + _PATIENCE
        while True:
            if within and self._is_good(key, within):
                return ""
            fence = self._claim(key)
            if fence is not None:
                break
            if self._clock.now() >= until or not within:
                return ask()
            self._clock.wait(_LOOK)
        asked_at, good = self._clock.now(), False
        try:
            wrong = ask()
            good = not wrong
        finally:
            self._release(key, fence, asked_at if good else None)
        return wrong

    def _is_good(self, key: str, within: timedelta) -> bool:
        with self._store.reading() as tx:
            # Stored until a minute after the question: one that is younger is valid for longer.
            return bool(tx.leases.held([f"answer:{key}"], self._clock.now() + _KEPT - within))

    def _claim(self, key: str) -> int | None:
        owner = f"{socket.gethostname()}:{os.getpid()}"
        with self._store.transaction() as tx:
            return tx.leases.take(f"asking:{key}", owner, self._clock.now(), _CLAIM)

    def _release(self, key: str, fence: int, good_at: datetime | None) -> None:
        with self._store.transaction() as tx:
            if good_at is not None:
                # Takes the place of an older answer, which expires before this one.
                tx.leases.take(f"answer:{key}", _GOOD, good_at + _KEPT, timedelta())
            tx.leases.release(f"asking:{key}", fence, self._clock.now())
