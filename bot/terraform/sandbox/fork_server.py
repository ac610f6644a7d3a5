"""A small process that forks supervisors for a worker and its jobs.

To fork a process takes as long as its memory is large: a worker has a hundred megabytes, and each supervisor
forks again to enter its sandbox. A fork of a process that has loaded nothing else takes a fifth of that.

The server is only a shortcut. If it does not answer in time, or answers that it can't, it is forgotten: the
supervisor is a fork of the process that wants it, and the worker starts another server before its next job.

A supervisor answers for itself, once it has read its task. It begins when it is told so, on its lifeline: of
one whose answer was lost or came too late, nothing is started. The server ends when the last process is gone
that could ask.
"""

from __future__ import annotations

import contextlib
import errno
import importlib
import logging
import os
import pickle
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import NoReturn

from bot.terraform.sandbox import supervisor
from bot.terraform.sandbox.task import Task

log = logging.getLogger(__name__)

_APART, _CHILD = b"apart", b"child"
_MOST_DESCRIPTORS = 8
_LONGEST_ANSWER = 500
# A server that has not answered by then is forgotten.
_ANSWER_SECONDS = 5.0
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
        self._modules, self._data = tuple(modules), data
        self._asking, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        # Nobody may wait for ever for a server that has stopped reading.
        self._asking.settimeout(_ANSWER_SECONDS)
        with theirs:
            number = theirs.fileno()
            call = _START.format(path=sys.path, module=__name__, number=number, modules=self._modules)
            # Kept, because it is nobody's concern when it ends.
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-c", call],
                stdin=subprocess.DEVNULL,
                env={"PATH": os.defpath, "LANG": "C.UTF-8", "PLANGATE_DATA": data},
                pass_fds=(number,),
                start_new_session=True,
            )
            self._pidfd = os.pidfd_open(self._process.pid)

    @classmethod
    def launch(cls, modules: Sequence[str] = (), data: str = "") -> ForkServer:
        """Start a server, and have `start` use it from now on. Raises OSError."""
        cls._current = cls(modules, data)
        return cls._current

    @classmethod
    def current(cls) -> ForkServer | None:
        """Return the server that `start` uses, if there is one."""
        return cls._current

    @classmethod
    def renew(cls) -> None:
        """Start another server in the place of one that is gone, or that a job's process has forgotten."""
        found = cls._current
        if found is None or not found.gone:
            return
        found.close()
        # Without it, supervisors are forks of the jobs' processes.
        with contextlib.suppress(OSError):
            cls.launch(found._modules, found._data)

    @property
    def pid(self) -> int:
        """Its number."""
        return self._process.pid

    @property
    def gone(self) -> bool:
        """Whether it has ended, or was forgotten by any of the processes that could ask it."""
        poll = select.poll()
        poll.register(self._asking, 0)
        return any(event & select.POLLHUP for _, event in poll.poll(0))

    def forget(self) -> None:
        """End it, as it gives no supervisors. All processes that could ask it learn so from the socket."""
        if ForkServer._current is self:
            ForkServer._current = None
        with contextlib.suppress(OSError):
            self._asking.shutdown(socket.SHUT_RDWR)
        # It may be stopped. By its descriptor, because its parent may have reaped it by now.
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(self._pidfd, signal.SIGKILL)

    def close(self) -> None:
        """Stop asking it, and wait for its end, if no other process can ask it."""
        if ForkServer._current is self:
            ForkServer._current = None
        self._asking.close()
        self._process.wait()
        os.close(self._pidfd)

    def ask(self, task: Task, *descriptors: int) -> tuple[int, int]:
        """Have a supervisor forked; return its number and descriptor, once it has read its task.

        `descriptors` are the command's output and errors, its lifeline's end and where to tell how it ended.
        Raises OSError if it can't be done, or if there is no answer in time.
        """
        given = os.memfd_create("task")
        answer, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with answer, theirs, os.fdopen(given, "wb") as payload:
            pickle.dump(task, payload)
            payload.flush()
            record = task.record
            sent = [theirs.fileno(), given, *descriptors, *([record.descriptor] if record else [])]
            answer.settimeout(_ANSWER_SECONDS)
            socket.send_fds(self._asking, [_APART if record else _CHILD], sent)
            theirs.close()
            said, received, _, _ = socket.recv_fds(answer, _LONGEST_ANSWER, 1, socket.MSG_CMSG_CLOEXEC)
        if not received:
            raise OSError(errno.ECHILD, said.decode(errors="replace") or "it ended without an answer")
        return int(said), received[0]


def start(task: Task, out: int, err: int) -> Started:
    """Start a supervisor for a task. `out` and `err` are the command's. Raises OSError."""
    sys.audit("plangate.command", task.argv)
    server = ForkServer.current()
    started = _by_server(server, task, out, err) if server else None
    started = started or _by(None, task, out, err)
    if task.record is not None:
        task.record.close()
    return started


def _by_server(server: ForkServer, task: Task, out: int, err: int) -> Started | None:
    """Start a supervisor as a fork of a server's. None if it gives none: it is forgotten then."""
    try:
        return _by(server, task, out, err)
    except OSError as error:
        log.warning(
            "the fork server started no supervisor, so it is forgotten and this process starts its own: %s",
            error.strerror or error,
        )
        server.forget()
        return None


def _by(server: ForkServer | None, task: Task, out: int, err: int) -> Started:
    """Start a supervisor as a fork of a server's, or of this process. Raises OSError."""
    lifeline, rope = os.pipe()
    report, tell = os.pipe()
    try:
        if server is None:
            pid = supervisor.forked(
                lambda: supervisor.supervise(task, out, err, lifeline, tell), apart=task.record is not None
            )
            return Started(pid, os.pidfd_open(pid), task.record is None, rope, report)
        pid, pidfd = server.ask(task, out, err, lifeline, tell)
        os.write(rope, supervisor.BEGIN)
        return Started(pid, pidfd, ours=False, lifeline=rope, report=report)
    except OSError:
        # Should there be a supervisor, it begins nothing: its lifeline ends.
        os.close(rope)
        os.close(report)
        raise
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
                supervisor.forked(partial(_supervise, given), apart=said == _APART)
            for each in given:
                os.close(each)


def _supervise(given: Sequence[int]) -> NoReturn:
    reply, payload, out, err, lifeline, tell, *record = given
    try:
        with socket.socket(fileno=reply) as asking:
            task = _read(payload, asking)
            if task.record is not None:
                task.record.descriptor = record[0]
            handle = os.pidfd_open(os.getpid())
            socket.send_fds(asking, [str(os.getpid()).encode()], [handle])
            os.close(handle)
        supervisor.supervise(task, out, err, lifeline, tell, told=True)
    finally:
        os._exit(127)


def _read(payload: int, asking: socket.socket) -> Task:
    """Read a task. If that fails, the process that asks is told why."""
    try:
        os.lseek(payload, 0, os.SEEK_SET)
        with os.fdopen(payload, "rb") as stream:
            task: Task = pickle.load(stream)  # noqa: S301 -- of our own, from a socket that nobody else has
            return task
    except Exception as error:
        # The texts of other errors may hold values of the environment.
        why = f": {error}" if isinstance(error, ImportError | AttributeError) else ""
        asking.send(f"it can't read the task: {type(error).__name__}{why}"[:_LONGEST_ANSWER].encode())
        raise


def _reap(*_: object) -> None:
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
