"""Reads just enough of a configuration to know whether it keeps its own state, and lays our files beside it.

A `backend` or `cloud` block of its own is kept; without one the state is kept here. `backend "local"` counts
as none: the state would be lost with the working tree.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path

from bot.domain.errors import EngineError
from bot.domain.workspaces.variables import Category, Variable, wrong_key
from bot.domain.workspaces.workspace import EngineKind
from bot.terraform.repository.hcl import blocks, parsed, tokens

OVERRIDE = b'terraform {\n  backend "http" {}\n}\n'
_LARGEST = 4_000_000
_SUFFIXES = {
    EngineKind.TERRAFORM: (".tf", ".tf.json"),
    EngineKind.TOFU: (".tf", ".tf.json", ".tofu", ".tofu.json"),
}
_KEEPERS = ("backend", "cloud", "state_store")


def own_backend(directory: Path, kind: EngineKind, tree: Path) -> str:
    """Return where the configuration in a directory keeps its own state (`s3`, `cloud`); empty: nowhere.

    A block in an override file takes the place of any before it.

    Raises EngineError for a file that is a link out of the commit's `tree`, or that is too large: what
    Terraform would find there is not known here.
    """
    kept = ""
    for path in sorted(directory.iterdir(), key=lambda path: (_overrides(path.name), path.name)):
        name = path.name
        if not name.endswith(_SUFFIXES[kind]) or name.startswith((".", "#")):
            continue
        text = _text(path, tree)
        found = _in_json(text) if name.endswith(".json") else _in_hcl(text)
        if found and (_overrides(name) or not kept):
            kept = found
    return "" if kept == "local" else kept


def _overrides(name: str) -> bool:
    """Whether Terraform reads a file after all others, by its name."""
    stem = name.split(".tf", 1)[0].split(".tofu", 1)[0]
    return stem == "override" or stem.endswith("_override")


def _text(path: Path, tree: Path) -> str:
    """Return a file's text; empty if it is not a file. Raises EngineError."""
    if path.is_symlink():
        try:
            target = path.resolve(strict=True)
        except (OSError, RuntimeError):
            target = Path("/")
        if not target.is_relative_to(tree.resolve()):
            raise EngineError(f"{path.name} is a symbolic link that leads to nothing in this commit")
        path = target
    if not path.is_file():
        return ""
    if path.stat().st_size > _LARGEST:
        raise EngineError(
            f"{path.name} is larger than {_LARGEST // 1_000_000} MB. Plangate has to read it to know where"
            " the state is kept: split the file, or put its data into one that is not configuration"
        )
    return path.read_text(encoding="utf-8", errors="replace")


def override_name(directory: Path) -> str:
    """Return a name for our override file that no file has."""
    return _free(directory, "zzz_plangate", "_override.tf")


def variable_files(directory: Path, variables: tuple[Variable, ...]) -> Iterator[tuple[str, bytes]]:
    """Return the names and contents of the files that hold the variables, loaded after any of the repository.

    Plain values are JSON, in which nothing is evaluated; HCL values are expressions. Raises EngineError if
    a variable's name is not an identifier.
    """
    plain, expressions = {}, []
    for variable in variables:
        if variable.category != Category.TERRAFORM:
            continue
        if wrong := wrong_key(variable.key, Category.TERRAFORM):
            raise EngineError(wrong)
        if variable.hcl:
            expressions.append(f"{variable.key} = {variable.value.strip() or 'null'}\n")
        else:
            plain[variable.key] = variable.value
    stem = _last_stem(directory)
    if plain:
        yield _free(directory, stem, ".auto.tfvars.json"), json.dumps(plain).encode()
    if expressions:
        yield _free(directory, stem, ".auto.tfvars"), "".join(expressions).encode()


def _last_stem(directory: Path) -> str:
    """Return a stem that sorts after every `*.auto.tfvars`: Terraform loads them in the order of names."""
    stem = "zzz_plangate"
    stems = [re.split(r"\.auto\.tfvars", path.name)[0] for path in directory.glob("*.auto.tfvars*")]
    # By bytes, as Terraform does: a name need not be UTF-8.
    last = max(stems, default="", key=os.fsencode)
    return stem if os.fsencode(last) < os.fsencode(stem) else f"{last}~plangate"


def _free(directory: Path, stem: str, suffix: str) -> str:
    for number in range(1000):
        name = f"{stem}{'~' * bool(number)}{number or ''}{suffix}"
        if not (directory / name).is_symlink() and not (directory / name).exists():
            return name
    raise EngineError(f"every name like {stem}{suffix} is taken in this commit")


def _in_json(text: str) -> str:
    try:
        document = parsed(text)
    except ValueError:
        return ""  # Terraform says what is wrong with it
    for block in blocks(document, "terraform"):
        for keeper in _KEEPERS:
            for body in blocks(block, keeper):
                names = [name for name, _ in body if name != "//"]
                return keeper if keeper == "cloud" or not names else names[0]
    return ""


def _in_hcl(text: str) -> str:
    stack: list[tuple[str, ...]] = []
    header: list[str] = []
    for sign in tokens(text):
        if sign == "{":
            if stack == [("terraform",)] and header and header[0] in _KEEPERS and "=" not in header:
                return header[1].strip('"') if len(header) > 1 else header[0]
            stack.append(tuple(header))
            header = []
        elif sign == "}":
            if stack:
                stack.pop()
            header = []
        elif sign == "\n":
            header = []
        else:
            header.append(sign)
    return ""
