"""Runs one command to its end: streams its output, asks the watcher, stops it in good order.

Terraform gets a supervisor (sandbox/supervisor), Git is a plain child.

The output goes to a file and not to a pipe: a pipe would break when the worker dies, and Terraform would die
of that in the middle of an apply (promise 3). The file has no name, so nothing of it stays behind.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import select
import signal
import subprocess
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import IO

from bot.domain.errors import EngineError, Interrupted, TimedOut
from bot.services.ports import Watch, WatchSignal
from bot.terraform.processes.tail import Tail
from bot.terraform.processes.transcript import Transcript
from bot.terraform.sandbox.fork_server import start
from bot.terraform.sandbox.limits import words
from bot.terraform.sandbox.task import Task, Verdict

_POLL_SECONDS = 0.1
_TICK_SECONDS = 1.0
_LARGEST_CAPTURE = 256 << 20
_PIPE = 1 << 20
_KILL_SECONDS = 30.0
# The code of a supervisor that was killed, if it is not our child.
_UNSEEN = 137


@dataclass(frozen=True)
class Command:
    """A program of our own to run, without a supervisor. `scratch` is where its output lies."""

    argv: tuple[str, ...]
    environment: Mapping[str, str] = field(repr=False)
    cwd: Path
    scratch: Path


class Ending(Enum):
    """Why a process ended."""

    BY_ITSELF = "by itself"
    INTERRUPTED = "interrupted"
    KILLED = "killed"
    TIMED_OUT = "timed out"


@dataclass(frozen=True)
class Finished:
    """How a process ended. `stdout` is empty unless it was captured.

    `exceeded` says which limit it was stopped for, `refused` where it wanted to go and was not let.
    """

    code: int
    ending: Ending
    stdout: bytes = field(default=b"", repr=False)
    exceeded: str = ""
    refused: tuple[str, ...] = ()

    def check(self, name: str, limit: float) -> None:
        """Raise Interrupted or TimedOut if it did not end by itself; `limit` is in seconds.

        Raises EngineError if it was stopped for a limit.
        """
        if self.exceeded:
            raise EngineError(f"{name} was {self.exceeded}")
        match self.ending:
            case Ending.INTERRUPTED | Ending.KILLED:
                raise Interrupted(f"{name} was {self.ending.value}")
            case Ending.TIMED_OUT:
                raise TimedOut(f"{name} took longer than {duration(limit)} and was stopped")
            case Ending.BY_ITSELF:
                pass


def run(
    command: Command | Task,
    watch: Watch,
    said: Transcript,
    *,
    limit: float,
    grace: float,
    capture: bool = False,
) -> Finished:
    """Run a command to its end; `limit` and `grace` are in seconds.

    With `capture` the standard output of a task is returned and does not go into the transcript: it comes by
    a pipe, so nobody can change afterwards what was written. Past the limit the command is interrupted, and
    killed after the grace; the same if the watcher raises, and its exception is raised here.
    Raises EngineError if it can't be started, or if the captured output is too large.
    """
    if watch.tick() is not WatchSignal.GO_ON:
        return Finished(130, Ending.INTERRUPTED)
    with contextlib.ExitStack() as stack:
        log = stack.enter_context(tempfile.TemporaryFile(dir=command.scratch))
        captured = _Captured() if capture else None
        child: _Child
        if isinstance(command, Task):
            if captured is not None:
                stack.enter_context(captured)
            child = _Supervised(command, captured.write_end if captured else log.fileno(), log.fileno())
        else:
            child = _Plain(command, log)
        stack.callback(child.close)
        tail = Tail(log.fileno(), said)
        try:
            ending = _mind(child, watch, tail, captured, limit, grace)
            end = tail.size
            while not tail.drain(end):
                watch.tick()
            said.end()
        except BaseException:
            child.stop(grace)
            raise
        done = child.reap()
        exceeded = words(done.exceeded, command.limits) if done.exceeded and isinstance(command, Task) else ""
        whole = captured.whole() if captured else b""
        return Finished(done.code, ending, whole, exceeded, done.refused)


class _Captured:
    """What a command writes, by a pipe."""

    def __init__(self) -> None:
        self.read_end, self.write_end = os.pipe()
        os.set_blocking(self.read_end, False)
        with contextlib.suppress(OSError):
            fcntl.fcntl(self.read_end, fcntl.F_SETPIPE_SZ, _PIPE)
        self._pieces: list[bytes] = []
        self._size = 0

    def __enter__(self) -> _Captured:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self.read_end)
        self.started()

    def started(self) -> None:
        """Leave the writing to the command, which has its own end by now."""
        if self.write_end >= 0:
            os.close(self.write_end)
            self.write_end = -1

    def take(self) -> bool:
        """Read what there is; False at the end. Raises EngineError if it is too large."""
        try:
            piece = os.read(self.read_end, _PIPE)
        except BlockingIOError:
            return True
        self._pieces.append(piece)
        self._size += len(piece)
        if self._size > _LARGEST_CAPTURE:
            raise EngineError(
                f"the plan has more than {_LARGEST_CAPTURE >> 20} MB as JSON, which is more than can be "
                "read: divide the workspace into several"
            )
        return bool(piece)

    def whole(self) -> bytes:
        """Return everything that was written, once the command has ended."""
        self.started()
        while self.take():
            pass
        return b"".join(self._pieces)


def _mind(
    child: _Child, watch: Watch, tail: Tail, captured: _Captured | None, limit: float, grace: float
) -> Ending:
    ending = Ending.BY_ITSELF
    deadline = time.monotonic() + limit
    next_tick = 0.0
    expired = False
    if captured:
        captured.started()
    while not child.ended(_POLL_SECONDS, captured):
        tail.drain(tail.size)
        now = time.monotonic()
        if now >= next_tick:
            next_tick = now + _TICK_SECONDS
            ending = _obey(watch.tick(), child, ending)
        if now < deadline:
            continue
        if expired:
            child.kill()
            continue
        expired, deadline = True, now + grace
        if ending is Ending.BY_ITSELF:
            ending = Ending.TIMED_OUT
            child.interrupt()
    return ending


def _obey(wish: WatchSignal, child: _Child, ending: Ending) -> Ending:
    match wish:
        case WatchSignal.GO_ON:
            return ending
        case WatchSignal.KILL:
            child.kill()
            return Ending.KILLED
        case WatchSignal.INTERRUPT:
            # Once only: at the second interrupt Terraform gives up without pushing its state.
            if ending is not Ending.BY_ITSELF:
                return ending
            child.interrupt()
            return Ending.INTERRUPTED


class _Child:
    """A process in a session of its own, so that a terminal's interrupt does not reach it."""

    def __init__(self, pid: int, pidfd: int = -1) -> None:
        self._pid = pid
        self._pidfd = pidfd if pidfd >= 0 else os.pidfd_open(pid)
        self._done: Verdict | None = None

    def ended(self, seconds: float, captured: _Captured | None = None) -> bool:
        """Wait up to so long for the end, or for output. Does not reap: the number stays its own."""
        poll = select.poll()
        poll.register(self._pidfd, select.POLLIN)
        if captured:
            poll.register(captured.read_end, select.POLLIN)
        found = dict(poll.poll(seconds * 1000))
        if captured and found.get(captured.read_end, 0) & select.POLLIN:
            captured.take()
        return self._pidfd in found

    def interrupt(self) -> None:
        """Ask the program, and nothing around it, to stop."""
        os.kill(self._pid, signal.SIGINT)

    def kill(self) -> None:
        """End everything that belongs to the command at once."""
        if self._done is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._pid, signal.SIGKILL)

    def stop(self, grace: float) -> None:
        """Interrupt, wait for `grace` seconds, kill."""
        self.interrupt()
        if not self.ended(grace):
            self.kill()

    def reap(self) -> Verdict:
        """Return how it ended; what the program left running is killed."""
        if self._done is None:
            self.kill()
            self._done = self._verdict(self._wait())
        return self._done

    def _wait(self) -> int:
        """Wait for the end, and return the exit code."""
        _, status = os.waitpid(self._pid, 0)
        return os.waitstatus_to_exitcode(status)

    def _verdict(self, code: int) -> Verdict:
        return Verdict(code)

    def close(self) -> None:
        """Let go of the process, which has ended."""
        self.reap()
        os.close(self._pidfd)


class _Plain(_Child):
    """A program of our own."""

    def __init__(self, command: Command, log: IO[bytes]) -> None:
        try:
            self._process = subprocess.Popen(
                command.argv,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=dict(command.environment),
                cwd=command.cwd,
                start_new_session=True,
            )
        except OSError as error:
            raise EngineError(f"{command.argv[0]} can't be started: {error.strerror}") from error
        super().__init__(self._process.pid)

    def _verdict(self, code: int) -> Verdict:
        self._process.returncode = code
        return Verdict(code)


class _Supervised(_Child):
    """A supervisor with the command that it looks after."""

    def __init__(self, task: Task, out: int, err: int) -> None:
        if task.enclosure is None and not os.access(task.argv[0], os.X_OK):
            raise EngineError(f"{task.argv[0]} can't be started: it is not there, or not executable")
        try:
            started = start(task, out, err)
        except OSError as error:
            raise EngineError(f"{task.argv[0]} can't be started: {error.strerror}") from error
        super().__init__(started.pid, started.pidfd)
        self._ours, self._lifeline, self._report = started.ours, started.lifeline, started.report

    def interrupt(self) -> None:
        """Ask the program, and nothing around it, to stop."""
        self._say(b"i")

    def kill(self) -> None:
        """Have the supervisor end everything; end the supervisor itself where it does not."""
        if self._done is None:
            self._say(b"k")
            if not self.ended(_KILL_SECONDS):
                super().kill()

    def _wait(self) -> int:
        if self._ours:
            return super()._wait()
        while not self.ended(_TICK_SECONDS):
            pass
        return _UNSEEN

    def _verdict(self, code: int) -> Verdict:
        os.close(self._lifeline)
        with os.fdopen(self._report, "rb") as stream:
            return Verdict.read(stream.read(), code)

    def _say(self, word: bytes) -> None:
        with contextlib.suppress(BrokenPipeError):
            os.write(self._lifeline, word)


def duration(seconds: float) -> str:
    """Return a time in words."""
    if seconds >= 7200:
        return f"{seconds / 3600:.0f} hours"
    return f"{seconds / 60:.0f} minutes" if seconds >= 120 else f"{seconds:.0f} seconds"
