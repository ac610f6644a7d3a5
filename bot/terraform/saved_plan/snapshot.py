"""The configuration in a saved plan, which the apply uses, and the commit's files."""

from __future__ import annotations

import hashlib
import json
import posixpath
from collections.abc import Iterator, Mapping

from bot.domain.workspaces.workspace import EngineKind
from bot.terraform.saved_plan.forms import Difference
from bot.terraform.saved_plan.model import SavedPlan, SnapshotModule

_SUFFIXES = (".tf", ".tf.json")
_TOFU_SUFFIXES = (".tofu", ".tofu.json")


def configuration_hash(saved: SavedPlan) -> str:
    """Return a SHA-256 that two plans share only if their apply uses the same modules and files."""
    modules = {
        module.key: {
            "source": module.source,
            "version": module.version,
            "directory": module.directory,
            "files": {name: _sha256(content) for name, content in module.files.items()},
        }
        for module in saved.snapshot
    }
    return _sha256(json.dumps(modules, sort_keys=True).encode())


def remote_modules(saved: SavedPlan) -> tuple[SnapshotModule, ...]:
    """Return the modules that come from elsewhere than the commit: they are not in its files."""
    local = _local_keys(saved)
    return tuple(module for module in saved.snapshot if module.key not in local)


def snapshot_matches(
    saved: SavedPlan,
    files: Mapping[str, bytes],
    working_directory: str = "",
    installed: Mapping[str, Mapping[str, bytes]] | None = None,
) -> list[Difference]:
    """Return each file of the root module and of local modules that is not as in the commit.

    `files` are the commit's files by path from the root of the tree, with those that Plangate adds (the
    override of the backend). `installed` are files of remote modules as `init` brought them, by module key
    and name; a remote module that is not in it is not compared.
    """
    local = _local_keys(saved)
    by_directory = _by_directory(files)
    by_key = {module.key: module for module in saved.snapshot}
    found: list[Difference] = []
    for module in saved.snapshot:
        if module.key not in local:
            if installed is not None and module.key in installed:
                found += _compare(module, installed[module.key], saved.kind)
            continue
        parent = by_key[module.key.rpartition(".")[0]] if module.key else None
        expected = posixpath.normpath(posixpath.join(parent.directory, module.source)) if parent else "."
        if posixpath.normpath(module.directory) != expected:
            place = f"snapshot: directory of module {module.key!r}"
            found.append(Difference(place, _quoted(module.directory), _quoted(expected)))
            continue
        path = posixpath.normpath(posixpath.join(working_directory or ".", expected))
        if path == ".." or path.startswith(("../", "/")):
            place = f"snapshot: directory of module {module.key!r} is outside of the commit"
            found.append(Difference(place, _quoted(path), "absent"))
            continue
        found += _compare(module, by_directory.get(path, {}), saved.kind)
    return found


def _local_keys(saved: SavedPlan) -> set[str]:
    """Return the modules that lie in the commit: the root, and what a local module names by a relative path.

    Terraform checks that each source is the one in the block of the module that calls it.
    """
    local: set[str] = set()
    for module in sorted(saved.snapshot, key=lambda module: module.key.count(".") + bool(module.key)):
        relative = module.source.startswith(("./", "../")) or module.source in (".", "..")
        if not module.key or (relative and module.key.rpartition(".")[0] in local):
            local.add(module.key)
    return local


def _by_directory(files: Mapping[str, bytes]) -> dict[str, dict[str, bytes]]:
    found: dict[str, dict[str, bytes]] = {}
    for path, content in files.items():
        directory, name = posixpath.split(posixpath.normpath(path))
        found.setdefault(directory or ".", {})[name] = content
    return found


def _compare(module: SnapshotModule, expected: Mapping[str, bytes], kind: EngineKind) -> Iterator[Difference]:
    wanted = dict(_configuration(expected, kind))
    for name in sorted(wanted.keys() | module.files.keys()):
        saved, committed = module.files.get(name), wanted.get(name)
        if saved != committed:
            path = posixpath.normpath(posixpath.join(module.directory, name))
            yield Difference(f"snapshot: {path}", _described(saved), _described(committed))


def _configuration(files: Mapping[str, bytes], kind: EngineKind) -> Iterator[tuple[str, bytes]]:
    """Return the files of a folder that Terraform reads as configuration."""
    tofu = kind == EngineKind.TOFU
    for name, content in files.items():
        if name.startswith(".") or name.endswith("~") or (name.startswith("#") and name.endswith("#")):
            continue
        if tofu and name.endswith(_TOFU_SUFFIXES):
            yield name, content
        elif name.endswith(_SUFFIXES):
            # To OpenTofu `a.tofu` stands in for `a.tf`.
            stem, suffix = (name[:-8], ".tofu.json") if name.endswith(".json") else (name[:-3], ".tofu")
            if not (tofu and f"{stem}{suffix}" in files):
                yield name, content


def _described(content: bytes | None) -> str:
    return "absent" if content is None else f"{len(content)} bytes, SHA-256 {_sha256(content)}"


def _quoted(text: str) -> str:
    return json.dumps(text)


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
