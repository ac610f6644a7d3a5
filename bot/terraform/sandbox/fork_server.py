"""A small process that forks supervisors for a worker and its jobs.

To fork a process takes as long as its memory is large: a worker has a hundred megabytes, and each supervisor
forks again to enter its sandbox. A fork of a process that has loaded nothing else takes a fifth of that.

The server is only a shortcut. Without it, or if it was killed, a supervisor is a fork of the process that
wants it. A supervisor that came from the server begins when it is told so, on its lifeline: of one whose
number was lost on the way, nothing is started. The server ends when the last process is gone that could ask.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import pickle
import signal
import socket
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NoReturn

from bot.terraform.sandbox import supervisor
from bot.terraform.sandbox.task import Task

_APART, _CHILD = b"apart", b"child"
_MOST_DESCRIPTORS = 8
# A server that does not answer is taken for dead.
_ANSWER_SECONDS = 30.0
_IGNORED = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGPIPE)
_START = "import sys; sys.path[:] = {path!r}; from {module} import serve; serve({number}, {modules!r})"


@dataclass(frozen=True)
class Started:
    """A supervisor: its number, and a descriptor of it. `ours` says that it is this process's own child.

    `lifeline` is to be written to, `report` to be read.
    """

    pid: int
    pidfd: int
    ours: bool
    lifeline: int
    report: int


class ForkServer:
    """The server of this process and of those that come from it."""

    _current: ForkServer | None = None

    def __init__(self, modules: Sequence[str] = (), data: str = "") -> None:
        """Start a server. It loads `modules` too: what the records of tasks are made of. Raises OSError.

        `data` is the data folder: in its environment, it shows whose process it is.
        """
        self._asking, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            number = theirs.fileno()
            call = _START.format(path=sys.path, module=__name__, number=number, modules=tuple(modules))
            # Kept, because it is nobody's concern when it ends.
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-c", call],
                stdin=subprocess.DEVNULL,
                env={"PATH": os.defpath, "LANG": "C.UTF-8", "PLANGATE_DATA": data},
                pass_fds=(number,),
                start_new_session=True,
            )

    @classmethod
    def launch(cls, modules: Sequence[str] = (), data: str = "") -> ForkServer:
        """Start a server, and have `start` use it from now on. Raises OSError."""
        cls._current = cls(modules, data)
        return cls._current

    @classmethod
    def current(cls) -> ForkServer | None:
        """Return the server that `start` uses, if there is one."""
        return cls._current

    @property
    def pid(self) -> int:
        """Its number."""
        return self._process.pid

    def close(self) -> None:
        """Stop asking it, and wait for its end, if no other process can ask it."""
        if ForkServer._current is self:
            ForkServer._current = None
        self._asking.close()
        self._process.wait()

    def ask(self, task: Task, *descriptors: int) -> tuple[int, int] | None:
        """Have a supervisor forked; return its number and descriptor. None if the server is gone.

        `descriptors` are the command's output and errors, its lifeline's end and where to tell how it ended.
        """
        given = os.memfd_create("task")
        answer, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with answer, theirs, os.fdopen(given, "wb") as payload:
            pickle.dump(task, payload)
            payload.flush()
            record = task.record
            sent = [theirs.fileno(), given, *descriptors, *([record.descriptor] if record else [])]
            answer.settimeout(_ANSWER_SECONDS)
            try:
                socket.send_fds(self._asking, [_APART if record else _CHILD], sent)
                theirs.close()
                said, received, _, _ = socket.recv_fds(answer, 64, 1, socket.MSG_CMSG_CLOEXEC)
            except OSError:
                return None
        return (int(said), received[0]) if said and received else None


def start(task: Task, out: int, err: int) -> Started:
    """Start a supervisor for a task. `out` and `err` are the command's. Raises OSError."""
    sys.audit("plangate.command", task.argv)
    server = ForkServer.current()
    started = (_by(server, task, out, err) if server else None) or _by(None, task, out, err)
    assert started is not None
    if task.record is not None:
        task.record.close()
    return started


def _by(server: ForkServer | None, task: Task, out: int, err: int) -> Started | None:
    """Start a supervisor as a fork of a server's, or of this process; None if the server is gone."""
    lifeline, rope = os.pipe()
    report, tell = os.pipe()
    try:
        if server is None:
            pid = supervisor.forked(
                lambda: supervisor.supervise(task, out, err, lifeline, tell), apart=task.record is not None
            )
            return Started(pid, os.pidfd_open(pid), task.record is None, rope, report)
        found = server.ask(task, out, err, lifeline, tell)
        if found is None:
            # Should there be a supervisor, it begins nothing: its lifeline ends.
            os.close(rope)
            os.close(report)
            return None
        os.write(rope, supervisor.BEGIN)
        return Started(*found, ours=False, lifeline=rope, report=report)
    finally:
        os.close(lifeline)
        os.close(tell)


def serve(number: int, modules: Sequence[str]) -> None:
    """Fork supervisors for the processes that ask, until none is left that can."""
    for name in modules:
        importlib.import_module(name)
    for ignored in _IGNORED:
        signal.signal(ignored, signal.SIG_IGN)
    signal.signal(signal.SIGCHLD, _reap)
    with socket.socket(fileno=number) as asked:
        while True:
            said, given, _, _ = socket.recv_fds(asked, 16, _MOST_DESCRIPTORS, socket.MSG_CMSG_CLOEXEC)
            if not said:
                return
            # If it can't be done, the asking process hears of it by the end of the socket.
            with contextlib.suppress(OSError, ValueError):
                _answer(given, apart=said == _APART)
            for each in given:
                os.close(each)


def _answer(given: Sequence[int], *, apart: bool) -> None:
    pid = supervisor.forked(lambda: _supervise(given), apart=apart)
    # It is there: it waits for its first word.
    handle = os.pidfd_open(pid)
    try:
        with socket.socket(fileno=os.dup(given[0])) as reply:
            socket.send_fds(reply, [str(pid).encode()], [handle])
    finally:
        os.close(handle)


def _supervise(given: Sequence[int]) -> NoReturn:
    try:
        _, payload, out, err, lifeline, tell, *record = given
        os.lseek(payload, 0, os.SEEK_SET)
        with os.fdopen(payload, "rb") as stream:
            task = pickle.load(stream)  # noqa: S301 -- of our own, from a socket that nobody else has
        if task.record is not None:
            task.record.descriptor = record[0]
        supervisor.supervise(task, out, err, lifeline, tell, told=True)
    finally:
        os._exit(127)


def _reap(*_: object) -> None:
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
