"""The files of commits, laid out once and shared by the runs of a commit that have a sandbox.

Runs see them below a folder of their own that takes all that they write (overlayfs), so nobody changes them.
They are only a cache: what runs no longer need is deleted, what was used longest ago first. A run names its
commit in a file of its folder. While that file is there, the commit's files stay, also for an apply that has
outlived its worker.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from bot.services.ports import GitRemote, Watch
from bot.terraform.files.locks import locked, locked_at_once
from bot.terraform.files.runfolder import RunFolder, directory_in, remove_tree
from bot.terraform.repository.checkout import Checkout, check_commit, repository_folder
from bot.terraform.repository.linking import Neighbour

LISTING = "files-of-the-commit"
_NAMED, _SIZE = "commit", "size"
_COMING, _GOING = ".coming-", ".going-"
_BLOCK = 512
# A worker that tidies takes no runs.
_TIDY_SECONDS = 5.0
# Files of other names are not looked at by the worker, so they need not be in the run's own folder.
_READ = (".tf", ".tofu", ".terraform")
# With one of these in the working directory a run gets a tree of its own: the worker deletes them, or
# Terraform takes providers from there.
_REPLACED = frozenset(
    {".terraform", "terraform.tfstate", "terraform.tfstate.backup", "errored.tfstate", "terraform.d"}
)


@dataclass(frozen=True)
class _Place:
    """Where a commit's files lie: `root` has the tree, Git's list of it and its size in bytes."""

    root: Path

    @property
    def name(self) -> str:
        return f"{self.root.parent.name}/{self.root.name}"

    @property
    def tree(self) -> Path:
        return self.root / "tree"

    @property
    def lock(self) -> Path:
        # A few locks for each repository: those who build one commit keep few others waiting.
        return self.root.parent / f".lock-{self.root.name[0]}"

    @property
    def size(self) -> int:
        try:
            return int((self.root / _SIZE).read_text())
        except (OSError, ValueError):
            return 0

    @property
    def used(self) -> float:
        with contextlib.suppress(OSError):
            return self.root.stat().st_mtime
        return 0.0


class CommitTrees:
    """Lays out commits for runs. At most `most` bytes are kept of commits that no run uses; 0: none shared.

    Of a commit with fewer than `fewest` files each run has a copy: that takes less time than an overlay.
    `limit` is how many seconds to wait for another worker that lays out the same commit.
    """

    def __init__(self, data: Path, checkout: Checkout, *, most: int, limit: float, fewest: int = 0) -> None:
        self._fewest = fewest
        self._root = data / "trees" / _boot()
        self._all = data / "trees"
        self._runs = data / "runs"
        self._checkout = checkout
        self._most = most
        self._limit = limit

    def lay_out(
        self,
        remote: GitRemote,
        commit: str,
        ref: str,
        folder: RunFolder,
        directory: str,
        watch: Watch,
        *,
        shared: bool,
    ) -> None:
        """Put the commit's files into the run's tree, or have it share them. Raises EngineError.

        `directory` is the working directory. `shared` says whether this machine can share them.
        """
        if shared and self._most and self._share(remote, commit, ref, folder, directory, watch):
            return
        listing = self._checkout.lay_out(remote, commit, ref, folder, watch)
        folder.write(folder.root / LISTING, listing)

    def of(self, folder: RunFolder) -> RunFolder:
        """Return a run's folder with the commit's files that it shares, if it does."""
        name = _named_by(folder.root)
        return replace(folder, commit=_Place(self._root / name).tree) if name else folder

    def listing(self, folder: RunFolder) -> bytes:
        """Return Git's list of the commit's files."""
        if folder.commit:
            return (folder.commit.parent / LISTING).read_bytes()
        return folder.read(folder.root / LISTING) or b""

    def tidy(self, *, all_unused: bool = False) -> None:
        """Delete what no run uses, as far as it is more than may be kept; with `all_unused`, all of it.

        Does nothing if another worker is at it. What takes too long is left for the next time.
        """
        if not self._all.is_dir():
            return
        with locked_at_once(self._all / ".tidy") as ours:
            if not ours:
                return
            self._forget(0 if all_unused else self._most)
            until = time.monotonic() + _TIDY_SECONDS
            for left in self._left():
                if not all_unused and time.monotonic() > until:
                    return
                remove_tree(left)

    def _share(
        self, remote: GitRemote, commit: str, ref: str, folder: RunFolder, directory: str, watch: Watch
    ) -> bool:
        """Have a run share a commit's files; False if its working directory is not plain enough."""
        check_commit(commit)
        place = _Place(self._root / repository_folder(remote) / commit)
        # For nobody else's eyes, like the mirrors.
        self._all.mkdir(mode=0o700, parents=True, exist_ok=True)
        with locked(place.lock, watch, limit=self._limit, shared=True):
            here = self._take(place, folder)
        if not here:
            with locked(place.lock, watch, limit=self._limit):
                # Another worker may have built it meanwhile.
                if not place.root.is_dir():
                    self._build(place, remote, ref, watch)
                self._take(place, folder)
            self._forget(self._most)
        listing = (place.root / LISTING).read_bytes()
        if listing.count(b"\0") < self._fewest:
            shutil.copytree(place.tree, folder.tree, symlinks=True, dirs_exist_ok=True)
            folder.write(folder.root / LISTING, listing)
            (folder.root / _NAMED).unlink()
            return True
        near = directory_in(place.tree, directory)
        entries = list(os.scandir(near))
        if any(entry.is_symlink() or entry.name in _REPLACED for entry in entries):
            (folder.root / _NAMED).unlink()
            return False
        _take_along(entries, _beside(folder, near.relative_to(place.tree)))
        folder.work.mkdir(mode=0o700)
        return True

    def _take(self, place: _Place, folder: RunFolder) -> bool:
        """Name the commit in the run's folder, if its files are here."""
        if not place.root.is_dir():
            return False
        folder.write(folder.root / _NAMED, place.name.encode())
        os.utime(place.root)
        return True

    def _build(self, place: _Place, remote: GitRemote, ref: str, watch: Watch) -> None:
        coming = place.root.with_name(f"{_COMING}{place.root.name}")
        remove_tree(coming)
        folder = RunFolder(coming, coming)
        folder.tree.mkdir(parents=True)
        try:
            near = self._neighbour(place)
            listing = self._checkout.lay_out(remote, place.root.name, ref, folder, watch, near)
            (coming / LISTING).write_bytes(listing)
            (coming / _SIZE).write_text(str(_size(coming)))
            coming.rename(place.root)
        except BaseException:
            remove_tree(coming)
            raise

    def _neighbour(self, place: _Place) -> Neighbour | None:
        """Return the commit of the same repository that was used last."""
        others = [each for each in self._places() if each.root.parent == place.root.parent]
        if not others:
            return None
        found = max(others, key=lambda each: each.used)
        try:
            return Neighbour(found.tree, (found.root / LISTING).read_bytes())
        except OSError:
            return None  # taken away meanwhile

    def _forget(self, most: int) -> None:
        """Take away the trees that were used longest ago and are not in use, until `most` bytes are left."""
        total = 0
        for place in sorted(self._places(), key=lambda each: each.used, reverse=True):
            total += place.size
            if total > most:
                self._drop(place)

    def _drop(self, place: _Place) -> None:
        with locked_at_once(place.lock) as ours:
            if ours and not self._in_use(place):
                going = place.root.with_name(f"{_GOING}{place.root.name}-{os.getpid()}")
                with contextlib.suppress(OSError):
                    place.root.rename(going)

    def _in_use(self, place: _Place) -> bool:
        with contextlib.suppress(FileNotFoundError):
            return any(_named_by(Path(entry.path)) == place.name for entry in os.scandir(self._runs))
        return False

    def _places(self) -> Iterator[_Place]:
        return (_Place(path) for path in self._root.glob("*/*") if not path.name.startswith("."))

    def _left(self) -> Iterator[Path]:
        """Yield what is to be deleted: trees taken away, those of killed workers, and those of another boot.

        After a crash of the machine nobody knows which files were written as a whole.
        """
        yield from self._root.glob(f"*/{_GOING}*")
        for path in self._root.glob(f"*/{_COMING}*"):
            with locked_at_once(_Place(path.with_name(path.name.removeprefix(_COMING))).lock) as ours:
                if ours:
                    yield path
        yield from (path for path in self._all.iterdir() if path.is_dir() and path != self._root)


def _named_by(run: Path) -> str:
    """Return the name of the commit that a run shares, empty if it has none."""
    try:
        return (run / _NAMED).read_text()
    except OSError:
        return ""


def _beside(folder: RunFolder, directory: Path) -> Path:
    """Make a directory in the run's own tree, with those above it."""
    here = folder.tree
    for part in directory.parts:
        here = here / part
        here.mkdir(mode=0o755)
    return here


def _take_along(entries: list[os.DirEntry[str]], to: Path) -> None:
    for entry in entries:
        if entry.is_file() and any(part in entry.name for part in _READ):
            shutil.copy(entry.path, to / entry.name)


def _size(root: Path) -> int:
    total = 0
    for _, _, names, descriptor in os.fwalk(root):
        total += sum(os.lstat(name, dir_fd=descriptor).st_blocks for name in (".", *names)) * _BLOCK
    return total


def _boot() -> str:
    """Return the name of this boot of the machine."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return "unknown"
