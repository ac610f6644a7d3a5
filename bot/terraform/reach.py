"""Which files a configuration can read, and one hash of them all: what a plan does not show, they decide.

Those of its directory and of its local modules, and the modules that were downloaded. Where anything in them
leads elsewhere (`../`, `dirname(...)`, a symbolic link), every file of the commit.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from bot.terraform.runfolder import RunFolder

_MODULES = PurePosixPath(".terraform/modules")
_PLAIN = ("100644", "100755")
# `...` is HCL's way to spread a list, and three dots of prose.
_ELSEWHERE = re.compile(rb"(?<!\.)\.\.(?!\.)|\bpath\.cwd\b|\b(?:abspath|dirname|pathexpand|realpath)\b")
# Larger ones are no configuration; nobody looks into them, and whoever has one is taken to read everything.
_LARGEST = 4_000_000


@dataclass(frozen=True)
class _Entry:
    """A file of a commit, by its path from the repository's root."""

    mode: str
    blob: str
    path: str


def reach(listing: bytes, folder: RunFolder, directory: Path) -> str:
    """Return a hash of what a configuration can read, hexadecimal.

    `listing` is the commit's `git ls-tree -r -z`; `directory` has been inited, and no code of the change has
    run in it since.
    """
    entries = list(_entries(listing))
    local, sources = _local_modules(folder, directory)
    near = [entry for entry in entries if any(_is_below(entry.path, each) for each in local)]
    if any(_leads_elsewhere(folder, entry, sources) for entry in near):
        near = entries
    hashed = hashlib.sha256()
    for entry in near:
        hashed.update(f"{entry.mode} {entry.blob} {entry.path}\0".encode(errors="surrogateescape"))
    for name, content in _downloaded(folder, directory):
        hashed.update(f"{name}\0{len(content)}\0".encode(errors="surrogateescape"))
        hashed.update(content)
    return hashed.hexdigest()


def _entries(listing: bytes) -> Iterator[_Entry]:
    for line in listing.decode(errors="surrogateescape").split("\0"):
        about, _, path = line.partition("\t")
        words = about.split()
        if len(words) == 3:
            yield _Entry(words[0], words[2], path)


def _local_modules(folder: RunFolder, directory: Path) -> tuple[set[str], list[bytes]]:
    """The directories of the configuration and its local modules, from the root, and how they are called."""
    here = directory.relative_to(folder.tree)
    found, sources = {str(here)}, []
    raw = folder.read(directory / _MODULES / "modules.json")
    for module in json.loads(raw)["Modules"] if raw else ():
        if module["Dir"] != "." and PurePosixPath(module["Dir"]).parts[:2] != _MODULES.parts:
            found.add(os.path.normpath(here / module["Dir"]))
            sources.append(b'"' + module["Source"].encode() + b'"')
    return found, sources


def _is_below(path: str, directory: str) -> bool:
    return directory == "." or path.startswith(f"{directory}/")


def _leads_elsewhere(folder: RunFolder, entry: _Entry, sources: list[bytes]) -> bool:
    if entry.mode not in _PLAIN:
        return True
    text = folder.read(folder.tree / entry.path)
    if text is None or len(text) > _LARGEST:
        return True
    for source in sources:
        text = text.replace(source, b"")
    return _ELSEWHERE.search(text) is not None


def _downloaded(folder: RunFolder, directory: Path) -> Iterator[tuple[str, bytes]]:
    """The files of the modules that came from elsewhere: a branch or a tag may have moved since."""
    root = directory / _MODULES
    for place, folders, names in os.walk(root):
        folders[:] = sorted(set(folders) - {".git"})
        for name in sorted(names):
            path = Path(place, name)
            if path.is_symlink():
                yield str(path.relative_to(root)), os.fsencode(path.readlink())
            elif name != "modules.json":
                yield str(path.relative_to(root)), folder.read(path) or b""
