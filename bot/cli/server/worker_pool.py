"""Several workers forked from one process: they share the memory of what it has imported and prepared."""

from __future__ import annotations

import contextlib
import gc
import logging
import os
import signal
import sys
import time
from collections.abc import Callable
from types import FrameType
from typing import NoReturn

from bot.terraform.sandbox import namespaces

log = logging.getLogger(__name__)

# In seconds: before a worker that ended by itself is replaced.
_PAUSE = 1.0
_ASKED_TO_STOP = (signal.SIGTERM, signal.SIGINT)


class WorkerPool:
    """Keeps a number of processes at the same work, until asked to stop; then each finishes its job."""

    def __init__(self, count: int, work: Callable[[], None]) -> None:
        self._count = count
        self._work = work
        self._alive: set[int] = set()
        self._stopping = False

    def run(self) -> None:
        """Work until SIGTERM or SIGINT, and until every process has ended then."""
        for number in _ASKED_TO_STOP:
            signal.signal(number, self._stop)
        # What lives now lives as long as the processes: the collector need not write to its memory pages.
        gc.collect()
        gc.freeze()
        for _ in range(self._count):
            self._start()
        while self._alive:
            pid, status = os.wait()  # as the first process of a container, it also reaps orphans
            if pid not in self._alive:
                continue
            self._alive.remove(pid)
            if not self._stopping:
                log.warning(
                    "worker process %d ended by itself (%s): another takes its place", pid, _how(status)
                )
                time.sleep(_PAUSE)
                self._start()

    def _start(self) -> None:
        # A signal between the fork and its note would miss the new process.
        signal.pthread_sigmask(signal.SIG_BLOCK, _ASKED_TO_STOP)
        try:
            if self._stopping:
                return
            parent = os.getpid()
            pid = os.fork()
            if pid == 0:
                self._work_as_child(parent)
            self._alive.add(pid)
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, _ASKED_TO_STOP)

    def _work_as_child(self, parent: int) -> NoReturn:
        """Work, and leave the program. An error leaves it too, as that of a single worker does."""
        for number in _ASKED_TO_STOP:
            signal.signal(number, signal.SIG_DFL)
        if sys.platform == "linux":
            # Without the parent, the service manager starts another one: this one ends after its job.
            namespaces.die_with_parent(signal.SIGTERM)
            if os.getppid() != parent:
                sys.exit(0)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _ASKED_TO_STOP)
        self._work()
        sys.exit(0)

    def _stop(self, _number: int, _frame: FrameType | None) -> None:
        """Ask every process to finish its job. Ctrl-C also reaches each through the terminal."""
        self._stopping = True
        for pid in tuple(self._alive):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)


def _how(status: int) -> str:
    code = os.waitstatus_to_exitcode(status)
    return f"signal {-code}" if code < 0 else f"exit code {code}"
