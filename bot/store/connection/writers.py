"""Who writes next on SQLite: writers of all processes take turns.

SQLite's lock for writing goes to the process that looks at the right moment. A worker that ends one
transaction and begins the next at once takes it again and again, while a webhook looks in vain for seconds.
So a writer first takes its turn, a lock on a file beside the database, waits for SQLite's lock with it, and
hands it on once it has that. A writer that just wrote must take a turn again, behind the one that waits.

The turn is about fairness alone: SQLite's own lock keeps the data right. So a turn that can't be had, because
a process was stopped while it held it, is done without.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

# How often a writer looks, in seconds. SQLite's own waiting sleeps up to a tenth of a second at a time.
LOOK_SECONDS = 0.002
# How long a writer waits for its turn before it goes on without one, in seconds. With the wait for SQLite's
# lock it is less than what a fork waits for (`forking`).
_TURN_SECONDS = 4.0


@contextmanager
def writers_turn(database: str) -> Iterator[None]:
    """Wait for the turn to write to the database in this file, and hand it on at the end.

    Goes on without a turn if it isn't free for four seconds, or if the file can't be written.
    """
    try:
        file = os.open(f"{database}-turn", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError:
        # What is wrong with the folder is told by SQLite, which writes there too.
        yield
        return
    try:
        looked_for(lambda: _taken(file), _TURN_SECONDS)
        yield
    finally:
        os.close(file)


def looked_for(found: Callable[[], bool], seconds: float) -> bool:
    """Look again and again for some seconds; False if it was not found."""
    for _ in range(int(seconds / LOOK_SECONDS)):
        if found():
            return True
        time.sleep(LOOK_SECONDS)
    return found()


def _taken(file: int) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
