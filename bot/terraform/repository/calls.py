"""Reads of a configuration what `terraform plan` wants to be told by an `init`: modules and providers.

Only of plain ones: local modules with a source that is written out, and files without links. Whatever else
there is, is left to `init`. Terraform itself holds against its own reading what comes from here.
"""

from __future__ import annotations

import os
import posixpath
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from bot.domain.errors import EngineError
from bot.terraform.files.runfolder import RunFolder, directory_in
from bot.terraform.repository.hcl import BROKEN, tokens

# What Terraform reads; OpenTofu has more.
_HCL, _JSON = ".tf", ".tf.json"
_LARGEST = 4_000_000
_MOST_MODULES = 200
_LOCAL = re.compile(r'"(\.\.?/[^"$%\\]*)"')
_NAME = re.compile(r'"?([A-Za-z_][\w-]*)"?')
# Blocks whose first label is a type; its first word names a provider, unless another is named.
_TYPED = frozenset({"resource", "data", "ephemeral", "list", "action", "provider"})
_BUILT_IN = "terraform"


@dataclass(frozen=True)
class CalledModule:
    """A module by its key (`a.b`; the configuration itself has none), and as `init` would note it down."""

    key: str
    source: str
    directory: str


@dataclass
class Calls:
    """What a configuration calls. `text` is all of its files; `foreign`: it wants more than is built in."""

    modules: list[CalledModule] = field(default_factory=lambda: [CalledModule("", "", ".")])
    text: bytes = b""
    foreign: bool = False

    def names(self, provider: str) -> bool:
        """Whether the name of a provider, by its address, stands anywhere in the configuration."""
        name = provider.rpartition("/")[2].encode()
        return bool(re.search(rb"\b" + re.escape(name), self.text))


class _NotPlainError(Exception):
    """Only an `init` can tell."""


def calls_of(folder: RunFolder, directory: Path) -> Calls | None:
    """Return what the configuration in a directory of the run's tree calls; None if that is not plain."""
    found = Calls()
    try:
        for number, module in enumerate(found.modules):
            if number >= _MOST_MODULES:
                return None
            for name, source in _read(found, *_place(folder, directory, module)).items():
                found.modules.append(_called(module, name, source))
    except (_NotPlainError, EngineError, OSError):
        return None
    return found


def _called(by: CalledModule, name: str, source: str) -> CalledModule:
    local = _LOCAL.fullmatch(source)
    path = posixpath.normpath(local[1]) if local else "."
    if path in (".", ".."):
        raise _NotPlainError
    source = path if path.startswith("../") else f"./{path}"
    key = f"{by.key}.{name}" if by.key else name
    return CalledModule(key, source, posixpath.normpath(posixpath.join(by.directory, source)))


def _place(folder: RunFolder, directory: Path, module: CalledModule) -> tuple[RunFolder, Path]:
    """Return where a module's files are, and the folder that they are read in. Raises EngineError."""
    here = directory.relative_to(folder.tree)
    path = posixpath.normpath(posixpath.join(here.as_posix(), module.directory))
    # Our own files lie beside those of the root module; other modules are as the commit has them.
    root = folder.commit if folder.commit and path != here.as_posix() else folder.tree
    return (folder if root == folder.tree else RunFolder(root, root)), directory_in(root, path)


def _read(found: Calls, folder: RunFolder, directory: Path) -> dict[str, str]:
    """Return the sources of the modules that a module calls, by their names."""
    calls: dict[str, str] = {}
    for name in sorted(entry.name for entry in os.scandir(directory)):
        if name.startswith(".") or not name.endswith((_HCL, _JSON)):
            continue
        data = folder.read(directory / name)
        if data is None or len(data) > _LARGEST:
            raise _NotPlainError
        found.text += data + b"\n"
        if name.endswith(_JSON):
            found.foreign = True
            if b"module" in data:
                raise _NotPlainError
            continue
        for call, source in _in_hcl(found, data.decode(errors="replace")):
            if call in calls:
                raise _NotPlainError  # an override of it
            calls[call] = source
    return calls


def _in_hcl(found: Calls, text: str) -> Iterator[tuple[str, str]]:
    """Yield the module calls of a file, each with its source as it is written."""
    depth, line, name, source = 0, list[str](), "", ""
    for sign in (*tokens(text), "\n"):
        if sign == BROKEN:
            raise _NotPlainError
        if sign not in ("{", "}", "\n"):
            line.append(sign)
            continue
        if depth == 1 and name and line[:2] == ["source", "="]:
            source = line[2] if len(line) == 3 else ""
        if sign == "{":
            if depth == 0 and line[:1] == ["module"]:
                name, source = _label(line), ""
            found.foreign |= line[:1] == ["required_providers"] or _is_foreign(line)
            depth += 1
        elif sign == "}":
            depth -= 1
            if depth == 0 and name:
                yield name, source
                name = ""
        line = []
    if depth:
        raise _NotPlainError


def _label(line: list[str]) -> str:
    label = _NAME.fullmatch(line[1]) if len(line) == 2 else None
    if label is None:
        raise _NotPlainError
    return label[1]


def _is_foreign(line: list[str]) -> bool:
    if len(line) < 2 or line[0] not in _TYPED:
        return False
    return line[1].strip('"').partition("_")[0] != _BUILT_IN
