"""Finding and killing processes by whose children they are; from /proc, so on Linux alone."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path


def parents() -> dict[int, int]:
    """Return the parent of each process that runs; what has ended and waits to be reaped is left out."""
    found, begun = {}, {}
    for entry in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, parent = _state(entry)
            begun[int(entry.parent.name)] = _begin(entry)
            # A process whose first thread has ended may have others, which hold its files and ports.
            ended = state in "ZX" and all(_state(thread)[0] in "ZX" for thread in _threads(entry.parent))
        except OSError:
            continue
        if not ended:
            found[int(entry.parent.name)] = int(parent)
    _listed.begun = begun
    return found


class _Listed:
    """When each process began, as it was last listed. On a busy machine, numbers are soon used again."""

    begun: Mapping[int, str] = {}


_listed = _Listed()


def _begin(stat: Path) -> str:
    return stat.read_text().rpartition(")")[2].split()[19]


def _state(stat: Path) -> list[str]:
    # The name in brackets may hold anything: what matters follows the last one.
    return stat.read_text().rpartition(")")[2].split()[:2]


def _threads(process: Path) -> Iterator[Path]:
    return process.glob("task/[0-9]*/stat")


def below(pid: int) -> list[int]:
    """Return the children of a process and theirs, and so on."""
    known = parents()
    found = [pid]
    for each in found:
        found += [child for child, parent in known.items() if parent == each]
    return found[1:]


def kill(*pids: int) -> None:
    """Kill processes as if at once: none of them sees another one end. All must be of the test's making."""
    found = [descriptor for pid in pids if (descriptor := _handle(pid)) is not None]
    for number in (signal.SIGSTOP, signal.SIGKILL):
        for descriptor in found:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(descriptor, number)
    for descriptor in found:
        os.close(descriptor)


def _handle(pid: int) -> int | None:
    """Return a descriptor of a process; None if it has ended, or if another one has its number since."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return None
    stat = Path(f"/proc/{pid}/stat")
    try:
        # Nobody else gets the number of a child of ours before we have reaped it.
        ours = _state(stat)[1] == str(os.getpid())
        same = ours or _listed.begun.get(pid) in (None, _begin(stat))
    except OSError:
        same = False
    if not same:
        os.close(descriptor)
        return None
    return descriptor


def mentioning(place: Path) -> list[int]:
    """Return the processes that a folder's path was given to, as an argument or in the environment."""
    words, found = os.fsencode(place), []
    for pid in parents():
        with contextlib.suppress(OSError):
            told = Path(f"/proc/{pid}/cmdline").read_bytes() + Path(f"/proc/{pid}/environ").read_bytes()
            if words in told:
                found.append(pid)
    return found


def described(pids: Iterable[int]) -> str:
    """Return the command lines of processes, for a person to read."""
    lines = []
    for pid in pids:
        with contextlib.suppress(OSError):
            argv = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            lines.append(f"{pid} {argv[:200]}")
    return "\n".join(lines)


def resident(pid: int) -> int:
    """Return the memory that a process has for itself, in bytes."""
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    return 0


def alive(pid: int) -> bool:
    """Whether a process still runs."""
    return pid in parents()
