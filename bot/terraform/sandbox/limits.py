"""What one run may use of the machine, and the watcher that notices when it uses more.

The kernel keeps some limits for each process by itself (open files, the size of a file, the number of
processes). What all processes of a run use together, the watcher adds up, and so does a cgroup where one was
delegated to us (`cgroups`).
"""

from __future__ import annotations

import contextlib
import errno
import os
import resource
import stat
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

MEGABYTE = 1 << 20
# The watcher looks at files for a twentieth of the time at most.
_SHARE = 20
_DISK_SECONDS = 1.0
# In bytes: what a name costs, and the unit of `st_blocks`.
_NAME, _BLOCK = 256, 512
# What the kernel refuses, nobody counts: so near to the limit a run is at it.
_NEARLY = 4
_PAGE = resource.getpagesize()


@dataclass(frozen=True)
class RunLimits:
    """Limits of one run; 0 means none. All but `processes` and `files` are in megabytes.

    `processes` counts threads too, as the kernel does. `files` is of open files in each process. `disk` is
    everything in the run's folders together, `output` what its commands print.
    """

    memory: int = 0
    processes: int = 0
    files: int = 0
    file_size: int = 0
    disk: int = 0
    output: int = 0


def words(name: str, limits: RunLimits) -> str:
    """Say which limit was exceeded, and by which setting it is raised."""
    value = getattr(limits, name)
    said = {
        "memory": f"used more than {value} MB of memory",
        "processes": f"had more than {value} processes and threads",
        "file_size": f"wrote a file of more than {value} MB",
        "disk": f"wrote more than {value} MB into its working folders",
        "output": f"printed more than {value} MB",
    }[name]
    return f"stopped: the run {said} (PLANGATE_RUN_{name.upper()})"


def restrain(limits: RunLimits) -> None:
    """Set the limits that the kernel keeps for this process and all that come from it."""
    _lower(resource.RLIMIT_CORE, 0)
    if limits.files:
        _lower(resource.RLIMIT_NOFILE, limits.files)
    if limits.file_size:
        _lower(resource.RLIMIT_FSIZE, limits.file_size * MEGABYTE)
    if limits.memory:
        # Of one process: between two looks of the watcher nobody takes all there is.
        _lower(resource.RLIMIT_DATA, limits.memory * MEGABYTE)


def _lower(which: int, value: int) -> None:
    _, hard = resource.getrlimit(which)
    value = value if hard == resource.RLIM_INFINITY else min(value, hard)
    resource.setrlimit(which, (value, value))


def descendants(pid: int, *, own: bool) -> Iterator[int]:
    """Return the processes that come from one, itself first if `own`; what ends meanwhile is left out."""
    found, seen = [pid], {pid}
    if own:
        yield pid
    while found:
        for child in children(found.pop()):
            if child not in seen:
                seen.add(child)
                found.append(child)
                yield child


def children(pid: int) -> Iterator[int]:
    """Return a process's children, of all its threads."""
    with contextlib.suppress(OSError):
        for thread in os.listdir(f"/proc/{pid}/task"):  # noqa: PTH208 -- called often
            with contextlib.suppress(OSError):
                text = Path(f"/proc/{pid}/task/{thread}/children").read_bytes()
                yield from map(int, text.split())


class Watcher:
    """Looks at what a run uses. `root` is the process that everything of the run comes from."""

    def __init__(self, limits: RunLimits, root: int, *, own: bool, folders: Sequence[Path], out: int) -> None:
        self._limits = limits
        self._root = root
        self._own = own
        self._folders = folders
        self._out = out
        self._crowded = False
        self._next_disk = time.monotonic() + _DISK_SECONDS

    def exceeded(self) -> str:
        """Return the name of a limit that is exceeded, empty if none is."""
        limits = self._limits
        if limits.output and os.fstat(self._out).st_size > limits.output * MEGABYTE:
            return "output"
        if limits.memory or limits.processes:
            memory, tasks = self._use()
            if limits.memory and memory > limits.memory * MEGABYTE:
                return "memory"
            # Twice in a row: a limit that is only touched does not end a run.
            crowded = bool(limits.processes) and tasks >= limits.processes - _NEARLY
            if crowded and self._crowded:
                return "processes"
            self._crowded = crowded
        if (limits.disk or limits.file_size) and time.monotonic() >= self._next_disk:
            began = time.monotonic()
            found = self._on_disk()
            took = time.monotonic() - began
            self._next_disk = time.monotonic() + max(_DISK_SECONDS, _SHARE * took)
            return found
        return ""

    def _use(self) -> tuple[int, int]:
        memory = tasks = 0
        for pid in descendants(self._root, own=self._own):
            with contextlib.suppress(OSError, ValueError, IndexError):
                fields = Path(f"/proc/{pid}/statm").read_bytes().split()
                # Without what is mapped from files, which all runs share.
                memory += (int(fields[1]) - int(fields[2])) * _PAGE
                tasks += len(os.listdir(f"/proc/{pid}/task"))  # noqa: PTH208 -- called often
        return memory, tasks

    def _on_disk(self) -> str:
        most, largest, total = self._limits.disk * MEGABYTE, self._limits.file_size * MEGABYTE, 0
        seen: set[tuple[int, int]] = set()
        left = [os.fspath(folder) for folder in self._folders]
        while left:
            try:
                for entry in os.scandir(left.pop()):
                    found = entry.stat(follow_symlinks=False)
                    total += _NAME
                    if stat.S_ISDIR(found.st_mode):
                        left.append(entry.path)
                    elif (found.st_dev, found.st_ino) not in seen:
                        if found.st_nlink > 1:
                            seen.add((found.st_dev, found.st_ino))
                        total += found.st_blocks * _BLOCK
                        if largest and found.st_size >= largest:
                            return "file_size"
            except OSError as error:
                # What can't be looked into, or has too long a path, would hide what is below it.
                if most and error.errno in (errno.EACCES, errno.ENAMETOOLONG, errno.ELOOP):
                    return "disk"
            if most and total > most:
                return "disk"
        return ""
