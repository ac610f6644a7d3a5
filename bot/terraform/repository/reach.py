"""Which files a configuration can read, and one hash of them all: what a plan does not show, they decide.

Those of its directory and of its local modules, and the modules that were downloaded. If anything in them
leads elsewhere (`../`, `dirname(...)`, a symbolic link), or may do so and hide it, every file of the commit.
A program that Terraform starts finds any file, for example by an absolute path, and so does a path that is
put together from pieces or comes from a variable (promise 5). If in doubt, it is every file.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from bot.terraform.files.runfolder import RunFolder
from bot.terraform.repository.module_sources import written_sources

_MODULES = PurePosixPath(".terraform/modules")
_PLAIN = ("100644", "100755")
# `...` is HCL's way to spread a list, and three dots of prose.
_ELSEWHERE = re.compile(
    rb"(?<!\.)\.\.(?!\.)|\bpath\.cwd\b|\b(?:abspath|dirname|pathexpand|realpath)\b"
    # The run's own folder and what leads there; escapes of a dot and of a slash.
    rb"|/(?:run|proc)/|\\(?:u|x|U0000)(?:00)?2[eEfF]"
)
# Words that have programs started; and escapes, by which JSON may write all the others.
_PROGRAMS = re.compile(rb'\bprovisioner\b|"external"|\bdata\s+external\b|\bprovider::|\\u', re.IGNORECASE)
# Pieces that a path upwards can be put together from: a directory named by one dot at the end of a piece, or
# behind a value; a module's own directory, if nothing in it is named; texts that are not written out.
_PIECES = re.compile(
    rb'["/}]\.(?:"|[$%]\{|%[a-z])|\}\./|%[a-z]\./|\bpath\.(?:module|root)\b(?!\}/)'
    rb"|\{[.,]|[.,]\}|\[\.\]"
    rb"|\b(?:base64decode|base64gunzip|textdecodebase64|urldecode|substr|strrev|templatestring)\b"
    rb"|\b(?:local_(?:sensitive_)?file|archive_file|template_(?:dir|file))\b"
)
# A function that lists files, but for one with a plain directory and a plain pattern.
_LISTING = re.compile(
    rb"\bfileset\b"
    rb'(?!\(\s*"(?:\$\{path\.(?:module|root)\}/)?(?![/~.])[^"$%\\\n{\[]*"\s*,\s*"[^"$%\\\n{\[]*"\s*\))'
)
# A function that reads files, but for one that is given a plain path in the module's directory.
_READING = re.compile(
    rb"\b(?:file(?:exists|md5|sha1|sha256|sha512|base64(?:sha256|sha512)?)?|templatefile)\b"
    rb'(?!\(\s*"(?:\$\{path\.(?:module|root)\}/)?(?![/~])[^"$%\\\n]*"\s*[,)])'
)
# A variable's value that may be a path out of the directory, or a pattern for one.
_PATH = re.compile(
    r"""(?<!\.)\.\.(?!\.)|(?:^|["'\s,=\[(:])(?:~|/(?!/)|\.(?:$|[/"'\s,]))|/\.(?:$|[/"'])|file://"""
    r"""|[*?]|\{[.,]|[.,]\}|\[\.""",
    re.IGNORECASE | re.MULTILINE,
)
_CONFIGURATION = (".tf", ".tf.json", ".tofu", ".tofu.json")
_VALUES = (".tfvars", ".tfvars.json")
# Larger files are not configuration. They are not parsed: a configuration that has one may read everything.
_LARGEST = 4_000_000


@dataclass(frozen=True)
class _Entry:
    """A file of a commit, by its path from the repository's root."""

    mode: str
    blob: str
    path: str


@dataclass(frozen=True)
class _Module:
    """A module: where it lies, from the repository's root or the downloaded ones', and how it is called."""

    place: str
    source: bytes
    downloaded: bool


@dataclass(frozen=True)
class Reach:
    """What a configuration can read: a hash of it, hexadecimal, and the folders of the repository with it.

    `places` are relative to the repository's root, `.` for itself. None if it can read every file. `modules`
    is a hash of the modules that were downloaded, empty if there are none.
    """

    hash: str
    places: tuple[str, ...] | None
    modules: str


def reach(listing: bytes, folder: RunFolder, directory: Path, values: Iterable[str] = ()) -> Reach:
    """Return what a configuration can read.

    `listing` is the commit's `git ls-tree -r -z`; `directory` has been inited, and no code of the change has
    run in it since. `values` are those of the variables that the run gets: they may be paths.
    """
    entries = list(_entries(listing))
    known = _modules(folder, directory)
    local = {each.place for each in known if not each.downloaded}
    near = [entry for entry in entries if any(_is_below(entry.path, each) for each in local)]
    downloaded = list(_downloaded(folder, directory))
    places: tuple[str, ...] | None = tuple(sorted(local))
    # A module without files of its own lies behind a symbolic link.
    behind = any(not any(_is_below(entry.path, each) for entry in entries) for each in local)
    given = any(map(_PATH.search, values))
    if behind or given or _leads_elsewhere(folder, near, known) or _is_led_elsewhere(downloaded, known):
        near, places = entries, None
    hashed = hashlib.sha256()
    for entry in near:
        hashed.update(f"{entry.mode} {entry.blob} {entry.path}\0".encode(errors="surrogateescape"))
    modules = _hash_of(downloaded)
    hashed.update(modules.encode())
    return Reach(hashed.hexdigest(), places, modules)


def modules_hash(folder: RunFolder, directory: Path) -> str:
    """Return a hash, hexadecimal, of the modules that an init has downloaded; empty if there are none."""
    return _hash_of(_downloaded(folder, directory))


def _hash_of(downloaded: Iterable[tuple[str, bytes]]) -> str:
    hashed, files = hashlib.sha256(), 0
    for name, content in downloaded:
        hashed.update(f"{name}\0{len(content)}\0".encode(errors="surrogateescape"))
        hashed.update(content)
        files += 1
    return hashed.hexdigest() if files else ""


def _entries(listing: bytes) -> Iterator[_Entry]:
    for line in listing.decode(errors="surrogateescape").split("\0"):
        about, _, path = line.partition("\t")
        words = about.split()
        if len(words) == 3:
            yield _Entry(words[0], words[2], path)


def _modules(folder: RunFolder, directory: Path) -> list[_Module]:
    """The configuration itself, and each module that it calls."""
    here = directory.relative_to(folder.tree)
    found = [_Module(str(here), b"", downloaded=False)]
    raw = folder.read(directory / _MODULES / "modules.json")
    for module in json.loads(raw)["Modules"] if raw else ():
        place = PurePosixPath(module["Dir"])
        downloaded = place.parts[:2] == _MODULES.parts
        name = str(place.relative_to(_MODULES)) if downloaded else os.path.normpath(here / place)
        found.append(_Module(name, b'"' + module["Source"].encode() + b'"', downloaded=downloaded))
    return found


def _is_below(path: str, directory: str) -> bool:
    return directory == "." or path.startswith(f"{directory}/")


def _leads_elsewhere(folder: RunFolder, near: list[_Entry], known: list[_Module]) -> bool:
    for entry in near:
        text = _committed(folder, entry.path) if entry.mode in _PLAIN else None
        if text is None or _reads_anything(entry.path, text, known):
            return True
    return False


def _committed(folder: RunFolder, path: str) -> bytes | None:
    root = folder.commit
    return (RunFolder(root, root) if root else folder).read(folder.committed(folder.tree / path))


def _is_led_elsewhere(downloaded: list[tuple[str, bytes]], known: list[_Module]) -> bool:
    """The same of modules from elsewhere, whose examples and tests nobody runs."""
    used = {each.place for each in known if each.downloaded}
    for name, text in downloaded:
        unused = name.endswith(_CONFIGURATION) and str(PurePosixPath(name).parent) not in used
        if not unused and _reads_anything(name, text, known):
            return True
    return False


def _reads_anything(path: str, text: bytes, known: list[_Module]) -> bool:
    if len(text) > _LARGEST:
        return True
    patterns = [_ELSEWHERE]
    if path.endswith(_CONFIGURATION):
        text = _without_sources(path, text, known)
        patterns += (_PROGRAMS, _PIECES, _LISTING, _READING)
    elif path.endswith(_VALUES):
        patterns.append(_PIECES)
    elif b"${" in text or b"%{" in text:
        patterns += (_PIECES, _LISTING, _READING)  # a template has expressions too
    return any(each.search(text) for each in patterns)


def _without_sources(path: str, text: bytes, known: list[_Module]) -> bytes:
    """Leave out the sources of modules: their files are hashed. The same text may be part of a path, too."""
    sources = {each.source for each in known if each.source and each.source in text}
    written = written_sources(text, in_json=path.endswith(".json")) if sources else {}
    for source in sources:
        if text.count(source) == written[source]:
            text = text.replace(source, b"")
    return text


def _downloaded(folder: RunFolder, directory: Path) -> Iterator[tuple[str, bytes]]:
    """The files of the modules that came from elsewhere: a branch or a tag may have moved since."""
    root = directory / _MODULES
    for place, folders, names in os.walk(root):
        folders[:] = sorted(set(folders) - {".git"})
        for name in sorted([*names, *(each for each in folders if Path(place, each).is_symlink())]):
            path = Path(place, name)
            if path.is_symlink():
                # Wherever it leads to, that is not what is hashed here.
                yield str(path.relative_to(root)), b"../ " + os.fsencode(path.readlink())
            elif path != root / "modules.json":
                yield str(path.relative_to(root)), folder.read(path) or b""
