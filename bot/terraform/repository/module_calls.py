"""Which directories of a commit use which others as local modules, read from its files by Git alone.

Every `source` that begins with `./` or `../` counts, wherever it is: in a module's block, in JSON, in a
comment, or in a resource that reads a file. So no call is missed because of how it is written. A source with
variables in it (OpenTofu) is not known. A symbolic link counts as a call of what it leads to.

What files say is cached by their blobs, beside the mirror. A commit costs one `git ls-tree`. What is new in
it costs two calls of `git cat-file`, or a few if it is much.
"""

from __future__ import annotations

import contextlib
import json
import os
import posixpath
import re
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from bot.services.ports import GitRemote
from bot.terraform.repository.checkout import CONFIGURATION, Checkout, Patience
from bot.terraform.repository.git import Git

_SOURCE = re.compile(rb'\bsource"?[^\S\n]*[=:]\s*"(\.{1,2}(?:/[^"\n\\$%]*)?)"')
_LINK = "120000"
_FILES = ("100644", "100755")
# Larger files are not configuration, and no source is longer. In bytes.
_LARGEST = 4_000_000
_LONGEST = 1000
# So much is read at once, and of one commit. What is left is read for the next one. In bytes.
_AT_ONCE = 16 << 20
_MOST = 256 << 20
_MOST_LINKS = 20_000
_MOST_STEPS = 10
# A hostile repository may not keep a worker busy. Longer paths are taken as they are.
_MOST_PARTS = 50
_MOST_SOURCES = 1000
_MOST_PLACES = 500_000
# Blobs of older commits are forgotten when there are so many more than the newest one has.
_SPARE = 20_000

Sources = dict[str, list[str]]
"""What blobs say: the sources in a file, or where a link leads to, by the blob's id."""


@dataclass
class _Tree:
    """The entries of a commit that count: blobs by path."""

    files: dict[str, str] = field(default_factory=dict)
    links: dict[str, str] = field(default_factory=dict)


class ModuleCalls:
    """Reads module calls in the mirrors of a checkout."""

    def __init__(self, checkout: Checkout) -> None:
        self._checkout = checkout

    def of(self, remote: GitRemote, commit: str) -> Mapping[str, frozenset[str]]:
        """Return what each directory of a commit uses: directories and files by their paths, `""` the root.

        Fetches the commit if it is not here. Raises EngineError.
        """
        cache = self._checkout.beside(remote, "calls.json")

        def read(git: Git) -> Mapping[str, frozenset[str]]:
            tree = _tree(git.local("ls-tree", "-r", "-z", commit))
            known = _load(cache)
            wanted = {*tree.files.values(), *tree.links.values()}
            if missing := wanted - known.keys():
                known |= _read(git, sorted(missing))
                _save(cache, known, wanted)
            return _graph(tree, known)

        return self._checkout.with_commit(remote, commit, "", Patience(), read)


def _tree(listing: bytes) -> _Tree:
    found = _Tree()
    for entry in listing.decode(errors="surrogateescape").split("\0"):
        about, _, path = entry.partition("\t")
        mode, _, rest = about.partition(" ")
        blob = rest[5:]  # after `blob `
        if mode == _LINK and len(found.links) < _MOST_LINKS:
            found.links[path] = blob
        elif mode in _FILES and path.endswith(CONFIGURATION):
            found.files[path] = blob
    return found


def _read(git: Git, blobs: Sequence[str]) -> Sources:
    """Return what blobs say. Those that are too large say nothing."""
    sizes: dict[str, int] = {}
    for line in git.local("cat-file", "--batch-check", given="\n".join(blobs).encode()).splitlines():
        blob, _, rest = line.decode().partition(" ")
        kind, _, size = rest.partition(" ")
        sizes[blob] = int(size) if kind == "blob" else _LARGEST + 1
    found: Sources = {blob: [] for blob, size in sizes.items() if size > _LARGEST}
    for part in _parts({blob: size for blob, size in sizes.items() if size <= _LARGEST}):
        for blob, text in _texts(git.local("cat-file", "--batch", given="\n".join(part).encode())):
            found[blob] = _said(text)
    return found


def _parts(sizes: Mapping[str, int]) -> Iterator[list[str]]:
    part: list[str] = []
    size = total = 0
    for blob, more in sizes.items():
        total += more
        if total > _MOST:
            break
        if part and size + more > _AT_ONCE:
            yield part
            part, size = [], 0
        part.append(blob)
        size += more
    if part:
        yield part


def _texts(answer: bytes) -> Iterator[tuple[str, bytes]]:
    """Yield the blobs of an answer of `git cat-file --batch`: a line with the size, and the text."""
    at = 0
    while at < len(answer):
        end = answer.index(b"\n", at)
        blob, _, size = answer[at:end].decode().split(" ")
        at = end + 1 + int(size)
        yield blob, answer[end + 1 : at]
        at += 1


def _said(text: bytes) -> list[str]:
    """Return the sources in a text. A short text of one line may be that of a link: then it is one itself."""
    sources = {found[1] for found in _SOURCE.finditer(text) if len(found[1]) <= _LONGEST}
    if len(text) <= _LONGEST and b"\n" not in text and not sources:
        sources.add(text)
    return sorted(each.decode(errors="surrogateescape") for each in sources)[:_MOST_SOURCES]


def _graph(tree: _Tree, known: Sources) -> Mapping[str, frozenset[str]]:
    links = {path: _joined(path, said[0]) for path, blob in tree.links.items() if (said := known.get(blob))}
    calls: dict[str, set[str]] = {}
    for path, target in links.items():
        if target is not None:
            # A link in a directory is read with it; one that is a directory uses what it leads to.
            calls.setdefault(posixpath.dirname(path), set()).update(
                {target} if path.endswith(CONFIGURATION) else ()
            )
            calls.setdefault(path, set()).add(target)
    files = dict(tree.files)
    for path in links:
        if path.endswith(CONFIGURATION) and (blob := tree.files.get(_resolved(path, links) or "")):
            files[path] = blob
    count = 0
    for path, blob in files.items():
        for source in known.get(blob, ()) if count < _MOST_PLACES else ():
            count += 1
            place = _joined(path, source) if source.startswith(".") else None
            if place is None:
                continue
            calls.setdefault(posixpath.dirname(path), set()).update(
                each for each in (place, _resolved(place, links)) if each is not None
            )
    return {directory: frozenset(places) for directory, places in calls.items() if places}


def _joined(path: str, other: str) -> str | None:
    """Return where a relative path leads that stands in a file; None if that is outside of the repository."""
    if other.startswith("/") or "\0" in other:
        return None
    place = posixpath.normpath(posixpath.join(posixpath.dirname(path), other))
    return None if place.split("/", 1)[0] == ".." else "" if place == "." else place


def _resolved(path: str, links: Mapping[str, str | None]) -> str | None:
    """Return a path with the links on its way followed; None if they lead nowhere."""
    if not links or path.count("/") > _MOST_PARTS:
        return path
    for _ in range(_MOST_STEPS):
        parts = path.split("/")
        for count in range(1, len(parts) + 1):
            start = "/".join(parts[:count])
            if start in links:
                target = links[start]
                if target is None:
                    return None
                path = "/".join(filter(None, (target, *parts[count:])))
                break
        else:
            return path
    return None


def _load(cache: Path) -> Sources:
    """Return what was read before. It is only a cache: what is wrong with it is read again."""
    try:
        found = json.loads(cache.read_bytes())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _save(cache: Path, known: Sources, wanted: set[str]) -> None:
    if len(known) > len(wanted) + _SPARE:
        known = {blob: said for blob, said in known.items() if blob in wanted}
    with contextlib.suppress(OSError):
        descriptor, name = tempfile.mkstemp(dir=cache.parent, prefix=f".{cache.name}-")
        with os.fdopen(descriptor, "w") as file:
            json.dump(known, file)
        Path(name).replace(cache)
