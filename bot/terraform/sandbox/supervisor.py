"""Looks after one command of a run from outside of its sandbox, and outlives the worker if it must.

A fork of the worker, or of the worker's fork server; that of an apply is not the worker's child. The run's
processes are in another process namespace, and as root another user's too: they can't see, stop or end it.
Its lifeline is a pipe whose other end only the worker holds: `i` means "interrupt", `k` means "kill", and the
end of it means that the worker is gone. Orphaned, Terraform gets some time to finish its step and to push its
state (promise 3: anything can be killed at any moment). The run's proxy lives here as well, because the state
is pushed through it.

Whatever happens, nothing of the run is left when the supervisor ends: with a sandbox the kernel ends all of
its process namespace, without one every orphan is the supervisor's child.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import gc
import json
import os
import select
import signal
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NoReturn

from bot.terraform.network.proxy import Proxy
from bot.terraform.sandbox import cgroups, namespaces, priority
from bot.terraform.sandbox.limits import Watcher, children, descendants, restrain
from bot.terraform.sandbox.task import Task, Verdict

PROXY_PORT = 3128
BEGIN = b"g"
"""The first word for a supervisor that came from a server."""
_FIRST_LOOK_SECONDS, _WATCH_SECONDS, _RETRY_SECONDS = 0.05, 0.25, 0.02
_SWEEP_SECONDS = 20.0
_IGNORED = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGPIPE)
# The first process of a run in its namespace; its parent is bubblewrap, with the number 1.
_FIRST = 2
# Numbers of descriptors: where ours are moved to, and beyond what a process can have.
_FIRST_FREE, _LAST = 64, 1 << 30


def forked(supervises: Callable[[], NoReturn], *, apart: bool) -> int:
    """Return the process id of a new supervisor. Raises OSError.

    One that is apart, for a command with a record, is nobody's child: who signals the worker and everything
    below it, does not mean an apply.
    """
    if not apart:
        child = os.fork()
        if child == 0:
            supervises()
        return child
    heard, say = os.pipe()
    between = os.fork()
    if between == 0:
        try:
            child = os.fork()
            if child == 0:
                supervises()
            os.write(say, str(child).encode())
        finally:
            os._exit(0)
    os.close(say)
    with os.fdopen(heard, "rb") as stream:
        number = stream.read()
    with contextlib.suppress(ChildProcessError):
        os.waitpid(between, 0)
    if not number:
        raise OSError(errno.EAGAIN, os.strerror(errno.EAGAIN))
    return int(number)


def supervise(task: Task, out: int, err: int, lifeline: int, tell: int, *, told: bool = False) -> NoReturn:
    """Look after a task in this process, which is a fork for that alone.

    `told` says that the first word on the lifeline is `BEGIN`; without it, nothing is started.
    """
    code, telling = 127, -1
    try:
        gc.freeze()
        os.setsid()
        for number in _IGNORED:
            signal.signal(number, signal.SIG_IGN)
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        record = task.record
        kept = _alone(out, err, lifeline, tell, *([record.descriptor] if record else []))
        if told and os.read(kept[2], len(BEGIN)) != BEGIN:
            os._exit(code)
        telling = kept[3]
        if record:
            record.descriptor = kept[4]
            record.begun()
        supervisor = _Supervisor(task, *kept[:3])
        verdict = supervisor.run()
        code = verdict.code
        if record:
            record.ended(verdict, kept[0], orphaned=supervisor.orphaned)
        _tell(telling, verdict)
    except BaseException as error:
        with contextlib.suppress(OSError):
            os.write(2, f"{task.argv[0]} can't be started: {error}\n".encode())
            _tell(telling, Verdict(code))
    finally:
        os._exit(code & 0xFF)


def _tell(report: int, verdict: Verdict) -> None:
    said = {"code": verdict.code, "exceeded": verdict.exceeded, "refused": verdict.refused}
    os.write(report, json.dumps(said).encode())


def _alone(*kept: int) -> list[int]:
    """Close every descriptor of the worker's but these; return their new numbers. Errors go to the second."""
    safe = [fcntl.fcntl(each, fcntl.F_DUPFD_CLOEXEC, _FIRST_FREE) for each in kept]
    nothing = os.open(os.devnull, os.O_RDWR)
    for number in (0, 1):
        os.dup2(nothing, number)
    os.dup2(safe[1], 2)
    for low, high in zip([2, *sorted(safe)], [*sorted(safe), _LAST], strict=True):
        os.closerange(low + 1, high)
    return safe


class _Supervisor:
    def __init__(self, task: Task, out: int, err: int, lifeline: int) -> None:
        self._task = task
        self._out, self._err, self._lifeline = out, err, lifeline
        self._init = 0
        self._initfd = -1
        self._child = 0
        self._asked = self._interrupted = False
        self._deadline: float | None = None
        self._exceeded = ""
        self._proxy: Proxy | None = None
        self._group: cgroups.Group | None = None

    @property
    def orphaned(self) -> bool:
        """Whether the worker is gone."""
        poll = select.poll()
        poll.register(self._lifeline, select.POLLIN)
        # Only the end of it hangs up; a word that was not heard in time is only something to read.
        return any(event & select.POLLHUP for _, event in poll.poll(0))

    def run(self) -> Verdict:
        """Start the command, see it to its end, and end whatever it leaves."""
        namespaces.adopt_orphans()
        self._group = cgroups.make(self._task.limits, f"plangate-run-{os.getpid()}")
        try:
            code = self._see_through() if self._begin() else self._reap()
        finally:
            self._sweep()
        if self._group:
            self._exceeded = self._exceeded or (self._group.exceeded() if code else "")
            self._group.remove()
        return Verdict(code, self._exceeded, self._proxy.refused if self._proxy else ())

    def _begin(self) -> bool:
        """Start the command; False if it came to nothing."""
        if self._task.enclosure is None:
            self._child = os.fork()
            if self._child == 0:
                _become(self._task, self._out, self._err, self._group)
            return True
        info, tell = os.pipe()
        block, go = os.pipe()
        self._child = os.fork()
        if self._child == 0:
            os.close(self._lifeline)
            _become(self._task, self._out, self._err, self._group, {"--info-fd": tell, "--block-fd": block})
        os.close(tell)
        os.close(block)
        try:
            text = self._told(info)
            if not text:
                return False  # bubblewrap has said why
            self._init = int(json.loads(text)["child-pid"])
            self._initfd = os.pidfd_open(self._init)
            self._restrict()
            os.write(go, b"g")
        finally:
            os.close(info)
            os.close(go)
        return True

    def _told(self, info: int) -> bytes:
        """Return what bubblewrap says of its sandbox, nothing if it ended before.

        Killed in its first moments, it leaves a child that waits for it for ever, and holds the pipe.
        """
        ended = os.pidfd_open(self._child)
        poll = select.poll()
        for descriptor in (info, ended):
            poll.register(descriptor, select.POLLIN)
        text = b""
        try:
            while True:
                ready = {descriptor for descriptor, _ in poll.poll()}
                if info not in ready:
                    return b""
                piece = os.read(info, 4096)
                if not piece:
                    return text
                text += piece
        finally:
            os.close(ended)

    def _restrict(self) -> None:
        """Set what can only be set once the sandbox is there, and before anything runs in it."""
        network, enclosure = self._task.network, self._task.enclosure
        state = network.rules.state if network else None
        places = [("127.0.0.1", PROXY_PORT)] if network else []
        if state and state.on_loopback:
            # Programs use no proxy for their own machine, so the state is served where they look for it.
            places.append(("127.0.0.1" if state.host == "localhost" else state.host, state.port))
        # In a user namespace of its own: outside of it, the worker's processes would count too.
        inside = namespaces.Inside(places, self._task.limits.processes, enclosure.uid if enclosure else None)
        if not inside.addresses and not inside.processes:
            return
        listeners = inside.at(self._init)
        if network:
            self._proxy = Proxy(network.rules, network.upstream)
            for number, listener in enumerate(listeners):
                self._proxy.serve(listener, state_only=number > 0)

    def _see_through(self) -> int:
        watched = self._init or os.getpid()
        watcher = Watcher(
            self._task.limits, watched, own=bool(self._init), folders=self._task.folders, out=self._out
        )
        poll = select.poll()
        poll.register(self._lifeline, select.POLLIN)
        ended = os.pidfd_open(self._child)
        poll.register(ended, select.POLLIN)
        next_look = time.monotonic() + _FIRST_LOOK_SECONDS
        nice = False
        while True:
            wait = _RETRY_SECONDS if self._asked and not self._interrupted else _WATCH_SECONDS
            wait = max(0.0, min(wait, next_look - time.monotonic()))
            for descriptor, _ in poll.poll(wait * 1000):
                if descriptor == ended:
                    return self._reap()
                self._obey(poll)
            if self._asked and not self._interrupted:
                # Once only: at the second interrupt Terraform gives up without pushing its state.
                self._interrupted = self._interrupt()
            if time.monotonic() < next_look:
                continue
            next_look = time.monotonic() + _WATCH_SECONDS
            # Only now: bubblewrap starts its session after everything else.
            nice = nice or priority.share_by_niceness(watched)
            if self._deadline is not None and time.monotonic() >= self._deadline:
                self._kill()
            if not self._exceeded and (exceeded := watcher.exceeded()):
                self._exceeded = exceeded
                self._kill()

    def _obey(self, poll: select.poll) -> None:
        said = os.read(self._lifeline, 64)
        if not said:
            poll.unregister(self._lifeline)
            self._deadline = time.monotonic() + self._task.linger
        if b"k" in said:
            self._kill()
        self._asked = True

    def _interrupt(self) -> bool:
        """Interrupt the command itself; False while it is not there yet."""
        with contextlib.suppress(ProcessLookupError):
            if not self._init:
                os.kill(self._child, signal.SIGINT)
                return True
            for pid in children(self._init):
                if _number_inside(pid) == _FIRST:
                    os.kill(pid, signal.SIGINT)
                    return True
        return False

    def _kill(self) -> None:
        """End everything of the run at once; with a sandbox the kernel does, as its first process ends."""
        if self._group:
            self._group.kill()
        if self._initfd >= 0:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._initfd, signal.SIGKILL)
            return
        for pid in descendants(os.getpid(), own=False):
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)

    def _reap(self) -> int:
        _, status = os.waitpid(self._child, 0)
        code = os.waitstatus_to_exitcode(status)
        return code if code >= 0 else 128 - code

    def _sweep(self) -> None:
        """Wait until nothing of the run is alive. A process that forks as fast as it can loses in the end."""
        until = time.monotonic() + _SWEEP_SECONDS
        if self._initfd >= 0:
            self._kill()
            poll = select.poll()
            poll.register(self._initfd, select.POLLIN)
            poll.poll(_SWEEP_SECONDS * 1000)
        while time.monotonic() < until:
            if self._initfd < 0:
                self._kill()
            try:
                while os.waitpid(-1, os.WNOHANG)[0]:
                    pass
            except ChildProcessError:
                return
            time.sleep(0.005)


def _number_inside(pid: int) -> int:
    """Return a process's number in the innermost of its namespaces, 0 if it is gone."""
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text(errors="replace").splitlines():
            if line.startswith("NSpid:"):
                return int(line.split()[-1])
    return 0


def _become(
    task: Task, out: int, err: int, group: cgroups.Group | None, descriptors: Mapping[str, int] | None = None
) -> NoReturn:
    """Turn this child into the command; never returns."""
    try:
        given = dict(descriptors or {})
        os.dup2(out, 1)
        os.dup2(err, 2)
        os.umask(0o022)
        for number in (signal.SIGINT, signal.SIGPIPE):
            signal.signal(number, signal.SIG_DFL)
        if group:
            group.take(os.getpid())
        restrain(task.limits)
        if task.enclosure is None:
            namespaces.die_with_parent(signal.SIGINT)
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            signal.signal(signal.SIGHUP, signal.SIG_DFL)
            os.chdir(task.cwd)
            os.execve(task.argv[0], task.argv, dict(task.environment))  # noqa: S606 -- a list, no shell
        if task.enclosure.filter:
            given["--seccomp"] = _in_memory(task.enclosure.filter)
        for descriptor in given.values():
            os.set_inheritable(descriptor, True)
        command = task.enclosure.command(task.argv, given)
        os.execve(command[0], command, dict(task.environment))  # noqa: S606 -- a list, no shell
    except (OSError, ValueError) as error:
        os.write(2, f"{task.argv[0]} can't be started: {error}\n".encode())
    finally:
        os._exit(127)


def _in_memory(data: bytes) -> int:
    descriptor = os.memfd_create("filter")
    os.write(descriptor, data)
    os.lseek(descriptor, 0, os.SEEK_SET)
    return descriptor
