"""Gives `terraform.workspace` its value in an uploaded configuration: the name of the workspace.

Terraform takes the value from its backend. The `http` backend, which keeps the state here, has only the
workspace `default`. So the name is written in the place of the expression, in the run's own copy of the
files. If a `remote` backend has a prefix, the name is without it. Source: the backend's documentation.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path

from bot.terraform.files.runfolder import RunFolder
from bot.terraform.repository.hcl import blocks, code, objects, parsed, tokens

_LARGEST = 4_000_000
_SUFFIXES = (".tf", ".tofu", ".tf.json", ".tofu.json")
_JSON_TEXT = re.compile(r'"(?:[^"\\]|\\.)*"', re.DOTALL)
_PLACE = [("terraform",), ("backend", '"remote"'), ("workspaces",)]


def write_name(folder: RunFolder, directory: Path, name: str) -> None:
    """Write a workspace's name into all configuration files of a run's tree. Raises EngineError."""
    short = name.removeprefix(_prefix(folder, directory))
    for path in list(_files(folder.tree)):
        data = folder.read(path, _LARGEST)
        if data is None or b"workspace" not in data:
            continue
        try:
            text = data.decode()
        except UnicodeDecodeError:
            continue  # Terraform refuses it
        written = _named_in_json(text, short) if path.name.endswith(".json") else named(text, short)
        if written != text:
            folder.write(path, written.encode())


def named(text: str, name: str, *, template: bool = False) -> str:
    """Return HCL with a text in the place of each `terraform.workspace`."""
    out, at = [], 0
    before: list[tuple[int, str]] = [(0, ""), (0, ""), (0, "")]
    for start, sign in code(text, template=template):
        words = [each for _, each in before[1:]]
        if sign == "workspace" and words == ["terraform", "."] and before[0][1] != ".":
            out += [text[at : before[1][0]], json.dumps(name)]
            at = start + len(sign)
        before = [*before[1:], (start, sign)]
    return "".join((*out, text[at:])) if out else text


def _named_in_json(text: str, name: str) -> str:
    def with_name(found: re.Match[str]) -> str:
        try:
            inside = json.loads(found[0], strict=False)
        except ValueError:
            return found[0]
        written = named(inside, name, template=True)
        return found[0] if written == inside else json.dumps(written)

    return _JSON_TEXT.sub(with_name, text)


def _files(tree: Path) -> Iterator[Path]:
    for place, names, files in os.walk(tree):
        names.sort()
        yield from (Path(place, file) for file in sorted(files) if file.endswith(_SUFFIXES))


def _prefix(folder: RunFolder, directory: Path) -> str:
    """Return the prefix of the `remote` backend's workspaces, empty if there is none."""
    for path in sorted(directory.iterdir()):
        if not path.name.endswith(_SUFFIXES):
            continue
        text = (folder.read(path, _LARGEST) or b"").decode(errors="replace")
        if found := _prefix_in_json(text) if path.name.endswith(".json") else _prefix_in(text):
            return found
    return ""


def _prefix_in(text: str) -> str:
    stack: list[tuple[str, ...]] = []
    line: list[str] = []
    for sign in (*tokens(text), "\n"):
        if sign in ("{", "}", "\n"):
            if stack == _PLACE and line[:2] == ["prefix", "="] and len(line) == 3:
                return _unquoted(line[2])
            if sign == "{":
                stack.append(tuple(line))
            elif sign == "}" and stack:
                stack.pop()
            line = []
        else:
            line.append(sign)
    return ""


def _unquoted(text: str) -> str:
    try:
        found = json.loads(text)
    except ValueError:
        return ""
    return found if isinstance(found, str) else ""


def _prefix_in_json(text: str) -> str:
    try:
        document = parsed(text)
    except ValueError:
        return ""  # Terraform says what is wrong with it
    for block in blocks(document, "terraform"):
        for backend in blocks(block, "backend"):
            for remote in blocks(backend, "remote"):
                for workspaces in blocks(remote, "workspaces"):
                    for body in objects(workspaces):
                        found = dict(body).get("prefix")
                        if isinstance(found, str):
                            return found
    return ""
