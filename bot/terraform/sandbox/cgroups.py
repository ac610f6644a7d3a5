"""A run's own control group, where some were delegated to Plangate (cgroup v2; systemd: `Delegate=yes`).

The kernel then counts exactly what a watcher only samples, and ends all of a run's processes at once.
"""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass
from pathlib import Path

from bot.terraform.sandbox.limits import MEGABYTE, RunLimits

_ROOT = Path("/sys/fs/cgroup")
_NEEDED = {"memory", "pids"}


@dataclass(frozen=True)
class Group:
    """One run's group."""

    folder: Path

    def take(self, pid: int) -> None:
        """Put a process into the group, with all that come from it. Raises OSError."""
        (self.folder / "cgroup.procs").write_text(str(pid))

    def exceeded(self) -> str:
        """Return the name of the limit that processes were ended for or refused by, empty if none was."""
        if self._counted("memory.events", "oom_kill"):
            return "memory"
        return "processes" if self._counted("pids.events", "max") else ""

    def kill(self) -> None:
        """End every process in the group."""
        with contextlib.suppress(OSError):
            (self.folder / "cgroup.kill").write_text("1")

    def remove(self) -> None:
        """Remove the group, which must be empty of processes."""
        with contextlib.suppress(OSError):
            self.folder.rmdir()

    def _counted(self, name: str, event: str) -> int:
        with contextlib.suppress(OSError, ValueError):
            for line in (self.folder / name).read_text().splitlines():
                key, _, value = line.partition(" ")
                if key == event:
                    return int(value)
        return 0


def make(limits: RunLimits, name: str, root: Path = _ROOT, own: str = "") -> Group | None:
    """Make a group with a run's limits; None if no group was delegated to this process.

    `own` is this process's group, by its path from `root`; asked of the kernel if it is empty.
    """
    own = own or _own_group()
    if not own:
        return None
    here = root / own.strip("/")
    # Our own group has processes in it, so it can't have limited children, unless we are below a group that
    # was delegated as a whole (systemd: `DelegateSubgroup=`).
    for parent in (here, here.parent):
        if not parent.is_relative_to(root) or parent == root or not os.access(parent, os.W_OK):
            continue
        if not _controls(parent):
            continue
        folder = parent / name
        try:
            folder.mkdir(exist_ok=True)
            if limits.memory:
                (folder / "memory.max").write_text(str(limits.memory * MEGABYTE))
                with contextlib.suppress(OSError):
                    (folder / "memory.swap.max").write_text("0")
            if limits.processes:
                (folder / "pids.max").write_text(str(limits.processes))
        except OSError:
            with contextlib.suppress(OSError):
                folder.rmdir()
            continue
        return Group(folder)
    return None


def _controls(parent: Path) -> bool:
    control = parent / "cgroup.subtree_control"
    try:
        if set(control.read_text().split()) >= _NEEDED:
            return True
        control.write_text("+memory +pids")
        return set(control.read_text().split()) >= _NEEDED
    except OSError:
        return False


def _own_group() -> str:
    with contextlib.suppress(OSError):
        for line in Path("/proc/self/cgroup").read_text().splitlines():
            if line.startswith("0::/") and len(line) > len("0::/"):
                return line.removeprefix("0::")
    return ""
