"""Locks between the workers of one machine, on files; the kernel lets go of them when a worker dies."""

from __future__ import annotations

import contextlib
import fcntl
import time
from collections.abc import Iterator
from pathlib import Path

from bot.domain.errors import Interrupted, TimedOut
from bot.services.ports import Watch, WatchSignal

_POLL_SECONDS = 0.1
_TICK_SECONDS = 1.0


@contextlib.contextmanager
def locked(path: Path, watch: Watch, *, limit: float, shared: bool = False) -> Iterator[None]:
    """Hold the lock of a file, waiting for at most `limit` seconds and asking the watcher meanwhile.

    A shared lock is held by any number at once, but never together with one that is not.
    Raises TimedOut, and Interrupted where the watcher says to stop.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab") as file:
        deadline, next_tick = time.monotonic() + limit, 0.0
        while True:
            try:
                fcntl.flock(file, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                pass
            now = time.monotonic()
            if now >= deadline:
                raise TimedOut(f"another worker has held {path.name} for {limit:.0f} seconds")
            if now >= next_tick:
                next_tick = now + _TICK_SECONDS
                if watch.tick() is not WatchSignal.GO_ON:
                    raise Interrupted("stopped while waiting for another worker")
            time.sleep(_POLL_SECONDS)
        yield


@contextlib.contextmanager
def locked_at_once(path: Path) -> Iterator[bool]:
    """Hold the lock of a file if nobody else does; yield whether that is so."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        yield True
