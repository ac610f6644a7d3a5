"""Runs one child process and ends it when it takes too long or holds too much memory."""

from __future__ import annotations

import contextlib
import os
import resource
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

_POLL_SECONDS = 0.01
_OUTPUT_BYTES = 64 << 20
_MEGABYTE = 1 << 20


@dataclass(frozen=True)
class ProcessLimits:
    """Limits of a child: its deadline (monotonic clock), the seconds that this was, and bytes of memory."""

    deadline: float
    seconds: int
    memory: int


@dataclass(frozen=True)
class Ended:
    """How a child ended. `why` is empty if it exited without a signal."""

    code: int
    why: str = ""
    timed_out: bool = False


def run(
    argv: Sequence[str],
    limits: ProcessLimits,
    given: IO[bytes],
    said: IO[bytes],
    folder: Path,
    environment: Mapping[str, str],
    *,
    stderr: bool = False,
) -> Ended:
    """Run a program. Its output goes to `said`; if `stderr` is set, its standard error does instead."""
    process = subprocess.Popen(
        argv,
        stdin=given,
        stdout=subprocess.DEVNULL if stderr else said,
        stderr=said if stderr else subprocess.DEVNULL,
        env=dict(environment),
        cwd=folder,
        preexec_fn=lambda: _limit(limits),  # noqa: PLW1509 -- there is only one thread
    )
    ended = _watched(process.pid, limits)
    process.returncode = ended.code
    return ended


def forked(work: Callable[[], None], limits: ProcessLimits) -> Ended:
    """Run a function in a fork of this process."""
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            _limit(limits)
            work()
            code = 0
        finally:
            os._exit(code)
    return _watched(pid, limits)


def _limit(limits: ProcessLimits) -> None:
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (_OUTPUT_BYTES, _OUTPUT_BYTES))
    processors = os.cpu_count() or 1
    most = (limits.seconds + 5) * processors
    resource.setrlimit(resource.RLIMIT_CPU, (most, most + 5))


def _watched(pid: int, limits: ProcessLimits) -> Ended:
    """Wait for a child, and kill it at a limit."""
    pause = _POLL_SECONDS / 10
    try:
        while True:
            done, status = os.waitpid(pid, os.WNOHANG)
            if done:
                return _ended(os.waitstatus_to_exitcode(status))
            if time.monotonic() >= limits.deadline:
                why, timed_out = f"the set took longer than {limits.seconds} seconds", True
                break
            if _resident(pid) > limits.memory:
                why, timed_out = f"it needs more than {limits.memory // _MEGABYTE} MB of memory", False
                break
            time.sleep(pause)
            pause = min(pause * 2, _POLL_SECONDS)
    except BaseException:
        _kill(pid)
        raise
    _kill(pid)
    return Ended(-signal.SIGKILL, why, timed_out)


def _ended(code: int) -> Ended:
    if code == -signal.SIGXFSZ:
        return Ended(code, f"it writes more than {_OUTPUT_BYTES // _MEGABYTE} MB")
    if code == -signal.SIGXCPU:
        return Ended(code, "the set took too long", timed_out=True)
    return Ended(code, "the evaluator crashed: endless recursion, or an error of its own" if code < 0 else "")


def _kill(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
    with contextlib.suppress(ChildProcessError):
        os.waitpid(pid, 0)


def _resident(pid: int) -> int:
    """Return how many bytes a process holds; 0 if the system does not say."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_bytes().split()[1]) * resource.getpagesize()
    except (OSError, IndexError):
        return 0
