"""Runs one child process to its end: streams its output, asks the watcher, stops it in good order.

The output goes to a file and not to a pipe: a pipe would break when the worker dies, and Terraform would die
of that in the middle of an apply (promise 3). The file has no name, so nothing of it stays behind.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import IO

from bot.domain.errors import EngineError, Interrupted, TimedOut
from bot.services.ports import Stop, Watch
from bot.terraform.transcript import Transcript

_POLL_SECONDS = 0.1
_TICK_SECONDS = 1.0
_PIECE = 1 << 16
# What is further behind than this is passed over, or a loop in a change's code would be followed for ever.
_FURTHEST = 32 << 20
_LARGEST_CAPTURE = 256 << 20


@dataclass(frozen=True)
class Command:
    """A program to run. `launched` says that it is our launcher, whose standard input is its lifeline.

    `scratch` is the folder on whose disk the output lies.
    """

    argv: tuple[str, ...]
    environment: Mapping[str, str] = field(repr=False)
    cwd: Path
    scratch: Path
    launched: bool = True


class Ending(Enum):
    """Why a process ended."""

    BY_ITSELF = "by itself"
    INTERRUPTED = "interrupted"
    KILLED = "killed"
    TIMED_OUT = "timed out"


@dataclass(frozen=True)
class Finished:
    """How a process ended. `stdout` is empty unless it was captured."""

    code: int
    ending: Ending
    stdout: bytes = field(default=b"", repr=False)

    def check(self, name: str, limit: float) -> None:
        """Raise Interrupted or TimedOut where it did not end by itself; `limit` is in seconds."""
        match self.ending:
            case Ending.INTERRUPTED | Ending.KILLED:
                raise Interrupted(f"{name} was {self.ending.value}")
            case Ending.TIMED_OUT:
                raise TimedOut(f"{name} took longer than {duration(limit)} and was stopped")
            case Ending.BY_ITSELF:
                pass


def run(
    command: Command, watch: Watch, said: Transcript, *, limit: float, grace: float, capture: bool = False
) -> Finished:
    """Run a command to its end; `limit` and `grace` are in seconds.

    With `capture` its standard output is returned and does not go into the transcript. Past the limit it is
    interrupted, and killed after the grace; likewise when the watcher raises, which is passed on.
    Raises EngineError where it can't be started, or where what is captured is too much.
    """
    if watch.tick() is not Stop.GO_ON:
        return Finished(130, Ending.INTERRUPTED)
    with contextlib.ExitStack() as stack:
        log = stack.enter_context(tempfile.TemporaryFile(dir=command.scratch))
        out = stack.enter_context(tempfile.TemporaryFile(dir=command.scratch)) if capture else log
        child = stack.enter_context(_started(command, log, out))
        tail = _Tail(log.fileno(), said)
        try:
            ending = _mind(child, watch, tail, limit, grace)
            end = tail.size
            while not tail.drain(end):
                watch.tick()
            said.end()
        except BaseException:
            child.stop(grace)
            raise
        code = child.reap()
        return Finished(code, ending, _captured(out) if capture else b"")


def _captured(out: IO[bytes]) -> bytes:
    out.seek(0)
    data = out.read(_LARGEST_CAPTURE + 1)
    if len(data) > _LARGEST_CAPTURE:
        raise EngineError(
            f"the plan has more than {_LARGEST_CAPTURE >> 20} MB as JSON, which is more than can be read: "
            "divide the workspace into several"
        )
    return data


def _mind(child: _Child, watch: Watch, tail: _Tail, limit: float, grace: float) -> Ending:
    ending = Ending.BY_ITSELF
    deadline = time.monotonic() + limit
    next_tick = 0.0
    expired = False
    while not child.ended(_POLL_SECONDS):
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


def _obey(wish: Stop, child: _Child, ending: Ending) -> Ending:
    match wish:
        case Stop.GO_ON:
            return ending
        case Stop.KILL:
            child.kill()
            return Ending.KILLED
        case Stop.INTERRUPT:
            # Once only: at the second interrupt Terraform gives up without pushing its state.
            if ending is not Ending.BY_ITSELF:
                return ending
            child.interrupt()
            return Ending.INTERRUPTED


class _Tail:
    """Follows the output file."""

    def __init__(self, descriptor: int, said: Transcript) -> None:
        self._descriptor = descriptor
        self._said = said
        self._offset = 0

    @property
    def size(self) -> int:
        """How many bytes there are by now."""
        return os.fstat(self._descriptor).st_size

    def drain(self, end: int) -> bool:
        """Pass on what there is up to `end`, for a second at most; return whether that was all.

        A process that writes faster than its output can be masked must not keep us from looking round: its
        time would never be up, and nobody could cancel it (promise 5).
        """
        pause = time.monotonic() + _TICK_SECONDS
        if end - self._offset > _FURTHEST:
            # From line to line, for every line of a secret is hidden by itself.
            self._pass(self._line_after(self._offset + _PIECE))
            self._said.feed(b"[output is left out here: it came faster than it can be read]\n")
            self._offset = self._line_after(end - _FURTHEST // 2)
        while self._offset < end:
            if time.monotonic() >= pause:
                return False
            self._pass(min(self._offset + _PIECE, end))
        return True

    def _pass(self, end: int) -> None:
        piece = os.pread(self._descriptor, end - self._offset, self._offset)
        # Where it was cut off by a change's code, nothing more comes from there.
        self._offset = end
        self._said.feed(piece)

    def _line_after(self, place: int) -> int:
        piece = os.pread(self._descriptor, _PIECE, place)
        return place + piece.find(b"\n") + 1


class _Child:
    """A process in a session of its own, so that a terminal's interrupt does not reach it."""

    def __init__(self, process: subprocess.Popen[bytes], launched: bool) -> None:
        self._process = process
        self._launched = launched
        self._pidfd = os.pidfd_open(process.pid) if hasattr(os, "pidfd_open") else -1

    def ended(self, seconds: float) -> bool:
        """Wait up to so long for the end; does not reap, so the number still names this process."""
        if self._pidfd < 0:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(seconds)
            return self._process.returncode is not None
        poll = select.poll()
        poll.register(self._pidfd, select.POLLIN)
        return bool(poll.poll(seconds * 1000))

    def interrupt(self) -> None:
        """Ask the program, and nothing around it, to stop."""
        if not self._launched:
            self._process.send_signal(signal.SIGINT)
        elif self._process.stdin is not None:
            with contextlib.suppress(BrokenPipeError):
                self._process.stdin.write(b"i")

    def kill(self) -> None:
        """End everything in the session's process group at once."""
        if self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)

    def stop(self, grace: float) -> None:
        """Interrupt, wait for `grace` seconds, kill."""
        self.interrupt()
        if not self.ended(grace):
            self.kill()

    def reap(self) -> int:
        """Return the exit code; what the program left running in its group is killed."""
        self.kill()
        return self._process.wait()

    def close(self) -> None:
        """Let go of the process, which has ended."""
        self.reap()
        if self._process.stdin is not None:
            self._process.stdin.close()
        if self._pidfd >= 0:
            os.close(self._pidfd)


@contextlib.contextmanager
def _started(command: Command, log: IO[bytes], out: IO[bytes]) -> Iterator[_Child]:
    try:
        process = subprocess.Popen(
            command.argv,
            stdin=subprocess.PIPE if command.launched else subprocess.DEVNULL,
            stdout=out,
            stderr=log,
            env=dict(command.environment),
            cwd=command.cwd,
            bufsize=0,
            start_new_session=True,
        )
    except OSError as error:
        raise EngineError(f"{command.argv[0]} can't be started: {error.strerror}") from error
    child = _Child(process, command.launched)
    try:
        yield child
    finally:
        child.close()


def duration(seconds: float) -> str:
    """Return a time in words."""
    if seconds >= 7200:
        return f"{seconds / 3600:.0f} hours"
    return f"{seconds / 60:.0f} minutes" if seconds >= 120 else f"{seconds:.0f} seconds"
