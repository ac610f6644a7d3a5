"""What a run sees: a file tree that starts from nothing, and the few things that are put into it (promise 5).

Nothing of the machine is there unless it is named here: no /etc but a small one of our own, no homes, no
/opt, /srv, /var or /run, no sockets. Paths inside are the same on every worker and for every run.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from enum import Enum
from pathlib import Path

INSIDE = Path("/run/plangate")
TMP = Path("/tmp")  # noqa: S108 -- private to the run
_OWN_ETC = Path(__file__).with_name("etc")
_SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32")
# Certificates without their private keys, and what programs of the system need to start.
_ETC = (
    *("ssl/certs", "ssl/cert.pem", "ssl/openssl.cnf", "ssl/ca-bundle.pem", "ca-certificates"),
    *("pki/tls/certs", "pki/tls/cert.pem", "pki/ca-trust/extracted"),
    *("ld.so.cache", "ld.so.conf", "ld.so.conf.d", "alternatives"),
    *("localtime", "services", "protocols", "mime.types"),
)
_OF_THE_NETWORK = ("hosts", "resolv.conf")
# In megabytes: shared memory is nobody's, so no watcher counts it.
_SHARED_MEMORY = 64


class Kind(Enum):
    """How something comes into the view."""

    READ = "--ro-bind"
    WRITE = "--bind"
    LINK = "--symlink"
    EMPTY = "--tmpfs"
    LAYERS = "--overlay"


@dataclass(frozen=True)
class Mount:
    """Something of the machine at a place in the view. `source` is a path, or for a link its target.

    An empty folder is in memory: it holds at most `megabytes`. Of layers, `source` takes all that is written,
    `below` is only read, and `work` is an empty folder beside `source`, for the kernel.
    """

    target: Path
    kind: Kind
    source: Path = Path()
    megabytes: int = _SHARED_MEMORY
    below: Path = Path()
    work: Path = Path()

    def words(self) -> tuple[str, ...]:
        """Return bubblewrap's option."""
        if self.kind is Kind.EMPTY:
            return ("--size", str(self.megabytes << 20), self.kind.value, str(self.target))
        if self.kind is Kind.LAYERS:
            places = map(str, (self.source, self.work, self.target))
            return ("--overlay-src", str(self.below), self.kind.value, *places)
        return (self.kind.value, str(self.source), str(self.target))


def read_only(path: Path, at: Path | None = None) -> Mount:
    """Show a path of the machine, at the same place if no other is named."""
    return Mount(at or path, Kind.READ, path)


def writable(path: Path, at: Path) -> Mount:
    """Show a path of the machine that the run may write to."""
    return Mount(at, Kind.WRITE, path)


def layers(path: Path, work: Path, below: Path, at: Path) -> Mount:
    """Show two folders as one: what the run writes goes to `path`, and `below` stays as it is."""
    return Mount(at, Kind.LAYERS, path, below=below, work=work)


def system(*, network: bool) -> Iterator[Mount]:
    """Return the machine's programs and libraries, and a small /etc; `network`: with its names of hosts."""
    for place in map(Path, _SYSTEM):
        if place.is_symlink():
            yield Mount(place, Kind.LINK, place.readlink())
        elif place.is_dir():
            yield read_only(place)
    etc = Path("/etc")
    for name in _ETC:
        if (path := etc / name).exists():
            yield read_only(path.resolve(), path)
    for path in sorted(_OWN_ETC.iterdir()):
        theirs = etc / path.name
        shown = network and path.name in _OF_THE_NETWORK and theirs.exists()
        yield read_only(theirs.resolve() if shown else path, theirs)


def python(*more: Path) -> Iterator[Mount]:
    """Return the interpreter that we run on, and `more` of its packages."""
    executable = Path(sys.executable).resolve()
    yield from (read_only(path) for path in unseen([Path(sys.base_prefix), executable, *more]))


def unseen(paths: Iterable[Path]) -> list[Path]:
    """Return those real paths that do not lie in the system's folders, each once."""
    # As texts: each sandbox asks this, of many paths.
    seen = tuple(f"{os.path.realpath(place)}/" for place in _SYSTEM)
    real = dict.fromkeys(os.path.realpath(path) for path in paths if os.path.exists(path))  # noqa: PTH110
    return [Path(path) for path in real if not f"{path}/".startswith(seen)]


def options(mounts: Iterable[Mount], staged: dict[Path, Path] | None = None) -> list[str]:
    """Return bubblewrap's options for a view. `staged` says which sources lie elsewhere."""
    ordered = {mount.target: mount for mount in mounts}
    # Parents before their children: the most specific mount has the last word, wherever things lie.
    words = ["--proc", "/proc", "--dev", "/dev", *Mount(Path("/dev/shm"), Kind.EMPTY).words()]  # noqa: S108
    for mount in sorted(ordered.values(), key=lambda each: len(each.target.parts)):
        elsewhere = staged and mount.kind not in (Kind.LINK, Kind.EMPTY) and staged.get(mount.source)
        kind = Kind.WRITE if mount.kind is Kind.LAYERS else mount.kind
        words += (replace(mount, source=elsewhere, kind=kind) if elsewhere else mount).words()
    # What is left of the empty tree can't be filled: it would take memory that nobody counts.
    return [*words, "--remount-ro", "/dev", "--remount-ro", "/"]


def sources(mounts: Iterable[Mount]) -> list[Path]:
    """Return what of the machine a view shows, but for the system's own folders."""
    shown = {mount.source for mount in mounts if mount.kind in (Kind.READ, Kind.WRITE)}
    return sorted(unseen(shown - {Path(place) for place in _SYSTEM}), key=os.fspath)
