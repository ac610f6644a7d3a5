"""Finding and killing processes by whose children they are; from /proc, so on Linux alone."""

from __future__ import annotations

import contextlib
import os
import signal
from pathlib import Path


def parents() -> dict[int, int]:
    """Return the parent of each process that runs; what has ended and waits to be reaped is left out."""
    found = {}
    for entry in Path("/proc").glob("[0-9]*/stat"):
        try:
            # The name in brackets may hold anything: what matters follows the last one.
            state, parent = entry.read_text().rpartition(")")[2].split()[:2]
        except OSError:
            continue
        if state not in "ZX":
            found[int(entry.parent.name)] = int(parent)
    return found


def below(pid: int) -> list[int]:
    """Return the children of a process and theirs, and so on."""
    known = parents()
    found = [pid]
    for each in found:
        found += [child for child, parent in known.items() if parent == each]
    return found[1:]


def kill(*pids: int) -> None:
    """Kill processes as if at once: none of them sees another one end. All must be of the test's making."""
    for number in (signal.SIGSTOP, signal.SIGKILL):
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)


def alive(pid: int) -> bool:
    """Whether a process still runs."""
    return pid in parents()
