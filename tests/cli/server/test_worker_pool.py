"""`plangate worker --jobs N`: processes from one, which are replaced, and stop after their jobs."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import pytest

from tests.support import processes

T = TypeVar("T")

# Each process says its id, and works until the file `end` is there or somebody kills it.
POOL = """
import os, signal, sys, time
from pathlib import Path
from bot.cli.server.worker_pool import WorkerPool

here = Path(sys.argv[1])

def work():
    asked = []
    signal.signal(signal.SIGTERM, lambda *_: asked.append(1))
    (here / f"at-work-{os.getpid()}").touch()
    while not (asked and (here / "end").exists()):
        time.sleep(0.01)
    (here / f"done-{os.getpid()}").touch()

WorkerPool(3, work).run()
"""


def until(look: Callable[[], T | None]) -> T:
    ending = time.monotonic() + 60
    while time.monotonic() < ending:
        if (found := look()) is not None:
            return found
        time.sleep(0.02)
    raise AssertionError("it did not come in a minute")


@pytest.fixture
def pool(tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen([sys.executable, "-c", POOL, str(tmp_path)], start_new_session=True) as started:
        yield started
        (tmp_path / "end").touch()
        if started.poll() is None:
            doomed = processes.below(started.pid)
            processes.kill(started.pid, *doomed)


def at_work(folder: Path, count: int) -> set[int]:
    def look() -> set[int] | None:
        found = {int(each.name.rpartition("-")[2]) for each in folder.glob("at-work-*")}
        return found if len(found) == count else None

    return until(look)


def done(folder: Path) -> set[int]:
    return {int(each.name.rpartition("-")[2]) for each in folder.glob("done-*")}


def test_a_process_that_is_killed_is_replaced(pool: subprocess.Popen[bytes], tmp_path: Path) -> None:
    first = at_work(tmp_path, 3)
    os.kill(min(first), signal.SIGKILL)
    replacement = at_work(tmp_path, 4) - first
    assert until(lambda: set(processes.below(pool.pid)) or None) >= replacement


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_asked_to_stop_each_process_finishes_its_job(
    pool: subprocess.Popen[bytes], tmp_path: Path, number: signal.Signals
) -> None:
    workers = at_work(tmp_path, 3)
    pool.send_signal(number)
    pool.send_signal(number)
    assert pool.poll() is None
    (tmp_path / "end").touch()
    assert pool.wait(60) == 0
    assert done(tmp_path) == workers
    assert at_work(tmp_path, 3) == workers


def test_without_the_first_process_the_others_stop_after_their_jobs(
    pool: subprocess.Popen[bytes], tmp_path: Path
) -> None:
    workers = at_work(tmp_path, 3)
    pool.kill()
    pool.wait(60)
    (tmp_path / "end").touch()
    until(lambda: done(tmp_path) == workers or None)
    until(lambda: not any(map(processes.alive, workers)) or None)
