"""Which directories of a commit use which others as local modules, read from its files by Git alone.

What is not known is never left out: it counts as any file below a folder, or of the whole repository. Such
are sources that are not written out, files that are too large, and links out of the repository.

What files say is cached by their blobs, beside the mirror. A commit costs one `git ls-tree`. What is new in
it costs two calls of `git cat-file`, or a few if it is much, and two more if links have the names of
configuration files.
"""

from __future__ import annotations

import contextlib
import json
import os
import posixpath
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import dropwhile
from pathlib import Path

from bot.services.ports import GitRemote
from bot.terraform.repository.checkout import CONFIGURATION, Checkout, Patience
from bot.terraform.repository.git import Git
from bot.terraform.repository.module_sources import ANY, LARGEST, LONGEST, local_sources

_LINK_MODE = "120000"
_FILES = ("100644", "100755")
# How a blob is read: by the name of its file.
_HCL, _JSON, _LINK = "hcl", "json", "link"
# So much is read at once, and of one commit. What is left is read for the next one. In bytes.
_AT_ONCE = 16 << 20
_MOST = 64 << 20
# So much of what they say is kept, in characters.
_MOST_SAID = 64 << 20
_MOST_STEPS = 10
# A hostile repository may not keep a worker busy. Longer paths may lead anywhere.
_MOST_PARTS = 50
_MOST_PLACES = 500_000
# Blobs of older commits are forgotten when there are so many more than the newest one has.
_SPARE = 20_000

Sources = dict[str, list[str]]
"""What blobs say: the sources in a file, or where a link leads to, by how it is read and the blob's id."""


@dataclass
class _Tree:
    """The entries of a commit that count: how they are read and their blobs, by path."""

    files: dict[str, str] = field(default_factory=dict)
    links: dict[str, str] = field(default_factory=dict)


class ModuleCalls:
    """Reads module calls in the mirrors of a checkout."""

    def __init__(self, checkout: Checkout) -> None:
        self._checkout = checkout

    def of(self, remote: GitRemote, commit: str) -> Mapping[str, frozenset[str]]:
        """Return what each directory of a commit uses: directories and files by their paths, `""` the root.

        A path with a slash at its end is any module below it: which one is not known.
        Fetches the commit if it is not here. Raises EngineError.
        """
        cache = self._checkout.beside(remote, "calls-2.json")

        def read(git: Git) -> Mapping[str, frozenset[str]]:
            listing = git.local("ls-tree", "-r", "-z", commit)
            tree = _tree(listing)
            known = _load(cache)
            wanted = {*tree.files.values(), *tree.links.values()}
            new = _read(git, wanted, known)
            links = {path: _target(path, known.get(blob)) for path, blob in tree.links.items()}
            if linked := _linked(listing, links):
                tree.files |= linked
                wanted |= set(linked.values())
                new |= _read(git, wanted, known)
            if new:
                _save(cache, known, wanted)
            return _graph(tree.files, links, known)

        return self._checkout.with_commit(remote, commit, "", Patience(), read)


def _entries(listing: bytes) -> Iterator[tuple[str, str, str]]:
    """Yield the modes, blobs and paths of a commit's entries."""
    for entry in listing.decode(errors="surrogateescape").split("\0"):
        about, _, path = entry.partition("\t")
        mode, _, rest = about.partition(" ")
        yield mode, rest[5:], path  # after `blob `


def _tree(listing: bytes) -> _Tree:
    found = _Tree()
    for mode, blob, path in _entries(listing):
        if mode == _LINK_MODE:
            found.links[path] = f"{_LINK}:{blob}"
        elif mode in _FILES and path.endswith(CONFIGURATION):
            found.files[path] = f"{_kind(path)}:{blob}"
    return found


def _kind(path: str) -> str:
    return _JSON if path.endswith(".json") else _HCL


def _target(path: str, said: list[str] | None) -> str | None:
    """Return where a link leads to; None if that is not in the repository, or not known."""
    if not said:
        return None
    # After the name of a folder `..` may lead elsewhere: that may be a link, too.
    inner = dropwhile(lambda part: part in ("", ".", ".."), said[0].split("/"))
    return None if ".." in inner else _joined(path, said[0])


def _linked(listing: bytes, links: Mapping[str, str | None]) -> dict[str, str]:
    """Return how the files are read that links lead to which have the names of configuration files."""
    ends = {path: _ways(path, links)[-1] for path in links if path.endswith(CONFIGURATION)}
    blobs = dict.fromkeys(ends.values(), "")
    if ends:
        blobs |= {path: blob for mode, blob, path in _entries(listing) if mode in _FILES and path in blobs}
    return {path: f"{_kind(path)}:{blobs[end]}" for path, end in ends.items() if blobs[end]}


def _read(git: Git, wanted: Iterable[str], known: Sources) -> bool:
    """Add what blobs say to what is known, as far as it is not too much. Return whether any was missing."""
    kinds: dict[str, list[str]] = {}
    for each in sorted(set(wanted) - known.keys()):
        kind, _, blob = each.partition(":")
        kinds.setdefault(blob, []).append(kind)
    if not kinds:
        return False
    sizes: dict[str, int] = {}
    for line in git.local("cat-file", "--batch-check", given="\n".join(kinds).encode()).splitlines():
        blob, _, rest = line.decode().partition(" ")
        kind, _, size = rest.partition(" ")
        if kind == "blob" and int(size) <= LARGEST:
            sizes[blob] = int(size)
        elif kind == "blob":
            known |= {f"{each}:{blob}": [] if each == _LINK else [ANY] for each in kinds[blob]}
    room = _MOST_SAID - _length(known.values())
    for part in _parts(sizes):
        for blob, text in _texts(git.local("cat-file", "--batch", given="\n".join(part).encode())):
            for kind in kinds[blob] if room > 0 else ():
                known[f"{kind}:{blob}"] = said = _said(kind, text)
                room -= _length([said])
    return True


def _length(said: Iterable[list[str]]) -> int:
    return sum(len(source) + _MOST_PARTS for sources in said for source in sources)


def _said(kind: str, text: bytes) -> list[str]:
    if kind != _LINK:
        return local_sources(text, in_json=kind == _JSON)
    return [text.decode(errors="surrogateescape")] if len(text) <= LONGEST else []


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


def _graph(
    files: Mapping[str, str], links: Mapping[str, str | None], known: Sources
) -> Mapping[str, frozenset[str]]:
    calls: dict[str, set[str]] = {}
    for path, target in links.items():
        ways = [ANY] if target is None else _ways(target, links)
        calls.setdefault(path, set()).update(ways)
        if path.endswith(CONFIGURATION):
            # A link in a directory is read with it.
            calls.setdefault(posixpath.dirname(path), set()).update(ways)
    count = 0
    for path, blob in files.items():
        for source in known.get(blob, (ANY,)):
            places = [ANY] if count > _MOST_PLACES else _places(path, source, links)
            calls.setdefault(posixpath.dirname(path), set()).update(places)
            count += len(places)
            if count > _MOST_PLACES:
                break
    return {directory: frozenset(places) for directory, places in calls.items() if places}


def _places(path: str, source: str, links: Mapping[str, str | None]) -> list[str]:
    """Return what a source in a file may be, on each way through links."""
    place = None if source == ANY else _joined(path, source)
    if place is None:
        return [ANY]
    ways = _ways(place, links)
    return [each if each == ANY else f"{each}/" for each in ways] if source.endswith("/") else ways


def _joined(path: str, other: str) -> str | None:
    """Return where a relative path leads that stands in a file; None if that is outside of the repository."""
    if other.startswith("/") or "\0" in other:
        return None
    place = posixpath.normpath(posixpath.join(posixpath.dirname(path), other))
    return None if place.split("/", 1)[0] == ".." else "" if place == "." else place


def _ways(path: str, links: Mapping[str, str | None]) -> list[str]:
    """Return a path, and what it is after each link on its way; last `ANY` if they may lead anywhere."""
    found = [path]
    if path.count("/") > _MOST_PARTS:
        return [ANY]
    for _ in range(_MOST_STEPS if links else 0):
        parts = path.split("/")
        starts = ("/".join(parts[:count]) for count in range(1, len(parts) + 1))
        start = next((each for each in starts if each in links), None)
        if start is None:
            return found
        target = links[start]
        if target is None:
            break
        path = (target + path[len(start) :]).lstrip("/")
        if path.count("/") > _MOST_PARTS:
            break
        found.append(path)
    return [*found, ANY] if links else found


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
