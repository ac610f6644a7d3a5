"""Lays out a commit from the files of another one that lies here: links to those that both have.

Only for trees that nobody writes to. Of two commits that follow each other, nearly all files are the same,
and to link a file takes a small part of the time that it takes to write one. The lists of files come from a
repository that may be hostile, so no path is followed through a symbolic link.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

_ATTRIBUTES = b".gitattributes"
_SUBMODULE = b"160000"
_ODD = frozenset({b"", b".", b"..", b".git"})
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


@dataclass(frozen=True)
class Neighbour:
    """A commit that is laid out: its tree, and Git's list of its files."""

    tree: Path
    listing: bytes


@dataclass(frozen=True)
class _Entry:
    """A file of a commit: its mode and content, and its path in pieces."""

    about: bytes
    folder: bytes
    name: bytes

    @property
    def path(self) -> bytes:
        return self.folder + b"/" + self.name if self.folder else self.name


def link(neighbour: Neighbour, listing: bytes, tree: Path) -> bytes | None:
    """Link what a commit has in common with its neighbour into an empty tree.

    Returns the paths of the other files, each with a NUL. None if only Git can say how to lay the commit
    out: there are submodules or odd names, or other attributes, by which the same content may look different.
    Raises OSError, also if the neighbour vanishes.
    """
    theirs, ours = set(_entries(neighbour.listing)), list(_entries(listing))
    if any(_is_odd(each) for each in ours) or _attributes(theirs) != _attributes(ours):
        return None
    for folder, entries in groupby((each for each in ours if each in theirs), lambda each: each.folder):
        source, target = _opened(neighbour.tree, folder), -1
        try:
            target = _opened(tree, folder, make=True)
            for each in entries:
                os.link(each.name, each.name, src_dir_fd=source, dst_dir_fd=target, follow_symlinks=False)
        finally:
            os.close(source)
            if target >= 0:
                os.close(target)
    return b"".join(each.path + b"\0" for each in ours if each not in theirs)


def _entries(listing: bytes) -> Iterator[_Entry]:
    for line in listing.split(b"\0"):
        about, _, path = line.partition(b"\t")
        folder, _, name = path.rpartition(b"/")
        if line:
            yield _Entry(about, folder, name)


def _is_odd(entry: _Entry) -> bool:
    return entry.about.startswith(_SUBMODULE) or not _ODD.isdisjoint(entry.path.lower().split(b"/"))


def _attributes(entries: Iterable[_Entry]) -> set[_Entry]:
    return {each for each in entries if each.name.lower() == _ATTRIBUTES}


def _opened(root: Path, folder: bytes, *, make: bool = False) -> int:
    """Open a folder below a root, one step at a time, so that no step is a link."""
    descriptor = os.open(root, _FOLDER)
    for part in folder.split(b"/") if folder else ():
        try:
            if make:
                with contextlib.suppress(FileExistsError):
                    os.mkdir(part, dir_fd=descriptor)
            below = os.open(part, _FOLDER, dir_fd=descriptor)
        finally:
            os.close(descriptor)
        descriptor = below
    return descriptor
