"""A run's own folder on this machine: what lies where in it, and how to touch it after hostile code has.

Code from a change may replace any file in here by a link that leads out (promise 5). So whatever is read back
or written later goes through this module, which follows no symbolic link.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import stat
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from bot.domain.errors import EngineError

_RUN_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")
_LARGEST = 1 << 30


@dataclass(frozen=True)
class RunFolder:
    """The places in a run's folder. `inside` is the same folder as the run's processes see it.

    `uid` is the user that they are on this machine, None for the worker's own. `commit` has the commit's
    files if the run shares them with others; they are never written to. Its processes then see them below
    what lies in `tree`.
    """

    root: Path
    inside: Path
    uid: int | None = None
    commit: Path | None = None

    @classmethod
    def of(cls, data: Path, run_id: str, inside: Path | None = None, uid: int | None = None) -> RunFolder:
        """Return a run's folder below the data directory. Raises EngineError if the id is not valid."""
        if not _RUN_ID.fullmatch(run_id):
            raise EngineError(f"{run_id!r} is not the id of a run")
        root = data / "runs" / run_id
        return cls(root, inside or root, uid)

    @property
    def tree(self) -> Path:
        """The commit's files; if they are shared, only those that the run has of its own."""
        return self.root / "tree"

    @property
    def work(self) -> Path:
        """An empty folder for the kernel, if the commit's files are shared."""
        return self.root / "work"

    def committed(self, path: Path) -> Path:
        """Return where a path of the tree lies that only the commit can have."""
        return self.commit / path.relative_to(self.tree) if self.commit else path

    @property
    def tmp(self) -> Path:
        """The processes' TMPDIR, on disk because providers are downloaded through it."""
        return self.root / "tmp"

    @property
    def home(self) -> Path:
        """The processes' HOME."""
        return self.root / "home"

    @property
    def out(self) -> Path:
        """Where Terraform puts the plan."""
        return self.root / "out"

    @property
    def providers(self) -> Path:
        """What init has brought, out of the reach of all that comes after it."""
        return self.root / "providers"

    @property
    def written(self) -> tuple[Path, ...]:
        """The folders that the run's processes may write to."""
        return (self.tree, self.home, self.tmp, self.out)

    def create(self) -> None:
        """Make the folder empty and private, in place of an earlier one."""
        remove_tree(self.root)
        self.root.mkdir(mode=0o700, parents=True)
        for folder in self.written:
            folder.mkdir(mode=0o700)

    def hand_over(self) -> None:
        """Give what its processes may write to their user, before any of them has run."""
        if self.uid is None:
            return
        for folder in self.written:
            os.chown(folder, self.uid, self.uid)
            for place, names, files, descriptor in os.fwalk(folder):
                del place
                for name in (*names, *files):
                    os.chown(name, self.uid, self.uid, dir_fd=descriptor, follow_symlinks=False)

    def folder(self, path: Path) -> None:
        """Make a folder of the processes below one of theirs, if it is not there. Raises EngineError."""
        try:
            descriptor = self._open_parent(path)
        except OSError as error:
            raise EngineError(f"the run's folder has changed under us at {path.parent.name}") from error
        try:
            with contextlib.suppress(FileExistsError):
                os.mkdir(path.name, 0o755, dir_fd=descriptor)
                if self.uid is not None:
                    os.chown(path.name, self.uid, self.uid, dir_fd=descriptor, follow_symlinks=False)
        finally:
            os.close(descriptor)

    def working_directory(self, relative: str) -> Path:
        """Return the configuration's directory in the tree.

        Raises EngineError if it is missing, is not a directory, or leaves the tree by `..` or a symbolic
        link: Terraform would then run something that is not in the commit (promise 5).
        """
        return directory_in(self.tree, relative)

    def read(self, path: Path, most: int = _LARGEST) -> bytes | None:
        """Return a file of the folder; None if there is no regular file, or a link on the way.

        Files of more than `most` bytes are not read.
        """
        try:
            descriptor = self._open_parent(path)
        except OSError:
            return None
        try:
            # Not blocking, for a FIFO planted under this name would hold the worker for ever.
            flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
            file = os.open(path.name, flags, dir_fd=descriptor)
        except OSError:
            return None
        finally:
            os.close(descriptor)
        found = os.fstat(file)
        if not stat.S_ISREG(found.st_mode) or found.st_size > most:
            os.close(file)
            return None
        with os.fdopen(file, "rb") as stream:
            return stream.read(most)

    def write(self, path: Path, data: bytes) -> None:
        """Write a private file of the folder. Replaces what has its name; does not follow links.

        Raises EngineError if its directory is gone or has become a link.
        """
        try:
            descriptor = self._open_parent(path)
        except OSError as error:
            raise EngineError(f"the run's folder has changed under us at {path.parent.name}") from error
        try:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(path.name, dir_fd=descriptor)
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
            file = os.open(path.name, flags, 0o600, dir_fd=descriptor)
            if self.uid is not None:
                os.fchown(file, self.uid, self.uid)
        except OSError as error:
            raise EngineError(f"{path.name} can't be written into the run's folder") from error
        finally:
            os.close(descriptor)
        with os.fdopen(file, "wb") as stream:
            stream.write(data)

    def seen(self, path: Path) -> Path:
        """Return a path of the folder as the run's processes see it."""
        return self.inside / path.relative_to(self.root)

    def _open_parent(self, path: Path) -> int:
        """Open the directory that holds a path, one step at a time, so that no step is a link."""
        flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
        descriptor = os.open(self.root, flags)
        for part in path.relative_to(self.root).parts[:-1]:
            try:
                below = os.open(part, flags, dir_fd=descriptor)
            finally:
                os.close(descriptor)
            descriptor = below
        return descriptor


def directory_in(tree: Path, relative: str) -> Path:
    """Return the configuration's directory in a tree. Raises EngineError as `RunFolder.working_directory`."""
    name = relative.strip("/") or "."
    parts = PurePosixPath(name).parts
    if ".." in parts:
        raise EngineError(f"the working directory {name} leaves the repository")
    here = tree
    for part in parts:
        here = here / part
        if here.is_symlink():
            raise EngineError(f"the working directory {name} goes through the symbolic link {part}")
    if not here.is_dir():
        raise EngineError(f"the working directory {name} does not exist in this commit")
    return here


def left_folders(data: Path, before: float) -> tuple[str, ...]:
    """Return the runs whose folders were made before a moment (seconds since 1970); links are none."""
    found = []
    with contextlib.suppress(FileNotFoundError):
        for entry in os.scandir(data / "runs"):
            with contextlib.suppress(OSError):
                whole = entry.is_dir(follow_symlinks=False) and _RUN_ID.fullmatch(entry.name)
                if whole and entry.stat(follow_symlinks=False).st_mtime < before:
                    found.append(entry.name)
    return tuple(sorted(found))


def remove_tree(path: Path) -> None:
    """Remove a file or a tree, with its read-only parts. Does nothing if it is not there."""
    if path.is_symlink() or path.is_file():
        path.unlink(missing_ok=True)
        return
    if not path.exists():
        return
    # Go's module cache and some providers leave directories without write permission, and so may a hostile
    # tree: each is opened up before its children are listed. Links are never followed.
    _open_up(path)
    for folder, names, _ in os.walk(path):
        for name in names:
            child = Path(folder, name)
            if not child.is_symlink():
                _open_up(child)
    shutil.rmtree(path, ignore_errors=True)
    if path.exists():
        raise EngineError(f"{path.name} could not be removed")


def _open_up(folder: Path) -> None:
    # To change what is open already would write every folder to the disk once more.
    with contextlib.suppress(OSError):
        if folder.stat().st_mode & stat.S_IRWXU != stat.S_IRWXU:
            folder.chmod(0o700)
