"""Forks and database connections: a child process must never touch a connection of its parent.

RQ forks for every job, gunicorn for every worker. Two processes on one PostgreSQL connection garble its
protocol. With SQLite it is worse: locks of a file belong to a process, but SQLite's memory of them is copied
by the fork; a child that believes it holds its parent's locks can destroy the database
(https://www.sqlite.org/howtocorrupt.html#_carrying_an_open_database_across_a_fork_). So for SQLite the fork
waits until the other threads' transactions are over, and what lies idle in the pool is closed before.
"""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Iterator
from contextlib import contextmanager

import sqlalchemy as sa

# A transaction waits 30 seconds for SQLite's lock at most; a fork that waited longer would hang a worker.
_PATIENCE_SECONDS = 35.0


class _Gate:
    """Lets transactions pass, and closes for the moment of a fork."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._inside: dict[int, int] = {}
        self._forking: int | None = None

    @contextmanager
    def passing(self) -> Iterator[None]:
        """Register this thread's use of a connection; waits while another thread forks."""
        me = threading.get_ident()
        with self._changed:
            self._changed.wait_for(lambda: self._forking in (None, me))
            self._inside[me] = self._inside.get(me, 0) + 1
        try:
            yield
        finally:
            with self._changed:
                # After a fork within a transaction the child counts from zero again.
                left = self._inside.pop(me, 1) - 1
                if left:
                    self._inside[me] = left
                self._changed.notify_all()

    def close(self) -> None:
        """Wait until no other thread uses a connection, and keep new uses out."""
        me = threading.get_ident()
        with self._changed:
            self._changed.wait_for(lambda: self._forking is None)
            self._forking = me
            self._changed.wait_for(lambda: not self._inside.keys() - {me}, timeout=_PATIENCE_SECONDS)

    def open(self) -> None:
        """Let transactions pass again."""
        with self._changed:
            self._forking = None
            self._changed.notify_all()


_gate = _Gate()
_engines: weakref.WeakSet[sa.Engine] = weakref.WeakSet()
_left_alone: list[object] = []


@contextmanager
def no_fork_within(engine: sa.Engine) -> Iterator[None]:
    """Block forks of other threads while a connection of the engine is in use (SQLite only)."""
    if engine.dialect.name != "sqlite":
        yield
        return
    with _gate.passing():
        yield


def survive_forks(engine: sa.Engine) -> None:
    """Have every child process begin with no connection of the engine."""
    _engines.add(engine)


def _before() -> None:
    _gate.close()
    for engine in list(_engines):
        if engine.dialect.name == "sqlite":
            engine.dispose()


def _in_child() -> None:
    global _gate  # noqa: PLW0603 - its lock may be held by a thread that does not exist here
    _gate = _Gate()
    for engine in list(_engines):
        # Kept, never closed: closing would speak to the server, or drop locks, in the parent's name.
        _left_alone.append(engine.pool)
        engine.dispose(close=False)


def _in_parent() -> None:
    _gate.open()


os.register_at_fork(before=_before, after_in_parent=_in_parent, after_in_child=_in_child)
