"""Unpacks uploaded configurations: hostile archives, of which nothing may leave the run's folder (promise 5).

Only folders, plain files and symbolic links that stay inside are unpacked. The number and
the size of the files are limited before they are written.
"""

from __future__ import annotations

import hashlib
import io
import os
import tarfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from bot.domain.errors import EngineError

MOST_BYTES = 1024 * 1024 * 1024
DEEPEST = 64
LONGEST_PATH = 1024
MOST_RATIO = 200
"""How many times larger than the archive its files may be, beyond a small size."""

_SMALL = 64 * 1024 * 1024
_BLOCK = 1024 * 1024
_LONGEST_READ = 8 * _BLOCK


def unpack(data: bytes, tree: Path, most_files: int = 50_000) -> bytes:
    """Unpack a tar.gz into an empty folder. Return its files as `git ls-tree -r -z` lists a commit's.

    Raises EngineError, which says what is wrong with the archive.
    """
    most = min(MOST_BYTES, max(_SMALL, len(data) * MOST_RATIO))
    try:
        with tarfile.open(fileobj=_Inflated(data, most + most_files * 2048), mode="r:") as archive:
            entries = sorted(_entries(archive, tree, most, most_files))
    except (tarfile.TarError, zlib.error, EOFError, ValueError, OverflowError) as error:
        raise EngineError(f"the uploaded configuration is not a tar.gz archive: {error}") from error
    except OSError as error:
        raise EngineError(f"the uploaded configuration can't be unpacked: {error.strerror}") from error
    return b"".join(entry for _, entry in entries)


class _Inflated(io.RawIOBase):
    """A gzip stream that gives out only so many bytes: the header's sizes are the archive's own words."""

    def __init__(self, data: bytes, most: int) -> None:
        self._data = memoryview(data)
        self._inflate = zlib.decompressobj(zlib.MAX_WBITS | 16)
        self._at = self._read = 0
        self._rest = b""
        self._most = most

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        """Return the next bytes. Raises EngineError if there are too many, or too many at once."""
        # Files are read in blocks: more at once is asked for by a header that claims to be so long.
        if not 0 <= size <= _LONGEST_READ:
            raise EngineError("the uploaded configuration has a header that is too long")
        wanted = size
        parts, found = [self._rest], len(self._rest)
        while found < wanted:
            piece = self._next()
            if not piece:
                break
            parts.append(piece)
            found += len(piece)
        whole = b"".join(parts)
        self._rest = whole[wanted:]
        self._read += min(found, wanted)
        if self._read > self._most:
            raise EngineError(_TOO_LARGE)
        return whole[:wanted]

    def tell(self) -> int:
        """Return how many bytes were read."""
        return self._read

    def seek(self, offset: int, whence: int = 0) -> int:
        """Skip forward, which is all that tarfile asks for."""
        if whence != 0 or offset < self._read:
            raise ValueError("an archive is read once")
        while self._read < offset:
            if not self.read(min(_BLOCK, offset - self._read)):
                raise EOFError("it ends too early")
        return self._read

    def _next(self) -> bytes:
        while not self._inflate.eof:
            pending = self._inflate.unconsumed_tail
            if not pending:
                pending = bytes(self._data[self._at : self._at + _BLOCK])
                self._at += len(pending)
                if not pending:
                    raise EOFError("it ends too early")
            if piece := self._inflate.decompress(pending, _BLOCK):
                return piece
        return b""


_TOO_LARGE = (
    f"the uploaded configuration is too large once it is unpacked: {MOST_BYTES >> 20} MB, "
    f"50,000 files and {MOST_RATIO} times the archive at most"
)


def _entries(
    archive: tarfile.TarFile, tree: Path, most: int, most_files: int
) -> Iterator[tuple[bytes, bytes]]:
    size, links = 0, list[tuple[PurePosixPath, str]]()
    for count, member in enumerate(archive):
        if count >= most_files:
            raise EngineError(_TOO_LARGE)
        path = _checked(member.name)
        if path is None:
            continue
        if member.isdir():
            _folder(tree, path)
        elif member.isreg():
            size += member.size
            if size > most:
                raise EngineError(_TOO_LARGE)
            yield _file(archive, member, tree, path)
        elif member.issym():
            links.append((path, member.linkname))
        else:
            raise EngineError(
                f"the uploaded configuration has {path}, which is not a file, a folder or a symbolic link"
            )
    # Links come last: no file is ever written through one.
    made = []
    for path, target in links:
        made.append(_link(tree, path, target))
    for path, _ in links:
        _check_link(tree, path)
    yield from made


def _checked(name: str) -> PurePosixPath | None:
    """Return the path of a member, None for the root. Raises EngineError if it would leave the folder."""
    path = PurePosixPath(name)
    if "\0" in name or len(name) > LONGEST_PATH or len(path.parts) > DEEPEST:
        raise EngineError("the uploaded configuration has a path that is too long or not valid")
    if path.is_absolute() or ".." in path.parts:
        raise EngineError(f"the uploaded configuration has {name!r}, which leads out of its folder")
    return path if path.parts else None


def _folder(tree: Path, path: PurePosixPath) -> Path:
    """Make a folder and those above it; return it. Raises EngineError if a file has its name."""
    here = tree
    for part in path.parts:
        here = here / part
        if not here.is_dir():
            try:
                here.mkdir(mode=0o755)
            except FileExistsError:
                raise EngineError(f"the uploaded configuration has {path} twice") from None
    return here


def _file(
    archive: tarfile.TarFile, member: tarfile.TarInfo, tree: Path, path: PurePosixPath
) -> tuple[bytes, bytes]:
    place = _folder(tree, path.parent) / path.name
    source = archive.extractfile(member)
    if source is None:
        raise EngineError(f"the uploaded configuration has {path}, which can't be read")
    runs = bool(member.mode & 0o100)
    hashed = hashlib.sha1(b"blob %d\0" % member.size, usedforsecurity=False)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        descriptor = os.open(place, flags, 0o755 if runs else 0o644)
    except FileExistsError:
        raise EngineError(f"the uploaded configuration has {path} twice") from None
    with os.fdopen(descriptor, "wb") as written:
        while piece := source.read(_BLOCK):
            hashed.update(piece)
            written.write(piece)
    return _listed("100755" if runs else "100644", hashed.hexdigest(), path)


def _link(tree: Path, path: PurePosixPath, target: str) -> tuple[bytes, bytes]:
    """Make a symbolic link that stays inside. Raises EngineError if it would lead out."""
    if not target or target.startswith("/") or "\0" in target:
        raise EngineError(f"the uploaded configuration has {path}, a link that leads out of its folder")
    # A link may lie below another one, which stays inside as well.
    place = _folder(tree, path.parent) / path.name
    if place.is_symlink() or place.exists():
        raise EngineError(f"the uploaded configuration has {path} twice")
    place.symlink_to(target)
    _check_link(tree, path)
    content = target.encode(errors="surrogateescape")
    hashed = hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False)
    return _listed("120000", hashed.hexdigest(), path)


def _check_link(tree: Path, path: PurePosixPath) -> None:
    """Make sure that a link stays inside; later links may change where it leads. Raises EngineError."""
    try:
        target = (tree / path).resolve()
    except (OSError, RuntimeError):
        target = Path("/")
    if not target.is_relative_to(tree.resolve()):
        raise EngineError(f"the uploaded configuration has {path}, a link that leads out of its folder")


def _listed(mode: str, blob: str, path: PurePosixPath) -> tuple[bytes, bytes]:
    name = os.fsencode(str(path))
    return name, f"{mode} blob {blob}\t".encode() + name + b"\0"
