"""Finds the program `opa`: as configured, in a folder, on PATH, or downloaded.

A folder has `<version>/opa`, `opa_<version>` or `opa`, like the folder of Terraform programs.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Protocol

from bot.domain.errors import EngineError
from bot.policies.inside.opa import REFUSED
from bot.services.ports import Watch

_PROBES = 3
_PROBE_SECONDS = 60
_VERSION = re.compile(r"\d+\.\d+\.\d+(?:-[0-9A-Za-z.]+)?")
_SAID = re.compile(r"^Version:\s*v?(\d+\.\S+)", re.MULTILINE)
OFF = "off"


@dataclass(frozen=True)
class Opa:
    """An OPA. `capabilities` is the JSON of what policies may use of it."""

    version: str
    path: Path
    origin: str
    capabilities: str = field(repr=False, compare=False)

    @property
    def title(self) -> str:
        """Its name and version, for people."""
        return f"OPA {self.version}"


class OpaSource(Protocol):
    """Downloads versions that are not on this machine."""

    def place(self, version: str) -> Path | None:
        """Return the program of a version that was downloaded before, None if it was not."""
        ...

    def install(self, version: str, watch: Watch) -> Path:
        """Download a version and return the program. Raises EngineError, Interrupted, TimedOut."""
        ...


class Programs:
    """The OPA programs of this machine. `wanted` is a version, the path of a program, `off`; empty for any.

    `path` has the folders to search, in the form of the PATH variable.
    """

    def __init__(
        self, wanted: str = "", folder: Path | None = None, path: str = "", source: OpaSource | None = None
    ) -> None:
        self._wanted = wanted
        self._folder = folder
        self._path = path
        self._source = source

    def provide(self, watch: Watch) -> Opa | None:
        """Return the OPA to judge by, downloaded if necessary; None if there is none and none is configured.

        Raises EngineError if the configured OPA can't be found or downloaded.
        """
        if found := self.find():
            return found
        if not self._wanted or self._wanted == OFF:
            return None
        if self._source is None or not _VERSION.fullmatch(self._wanted):
            raise EngineError(self.lacking())
        found = _opa(self._source.install(self._wanted, watch), "downloaded")
        if found is None:
            raise EngineError(f"OPA {self._wanted} was downloaded, but does not start on this machine")
        return found

    def find(self) -> Opa | None:
        """Return the first OPA on this machine that fits the setting."""
        return next(self._every(), None)

    def lacking(self) -> str:
        """Say why there is no OPA, and how to get one."""
        if self._wanted == OFF:
            return "OPA is switched off (PLANGATE_OPA)"
        if self._wanted:
            return f"PLANGATE_OPA asks for {self._wanted}, which is not an OPA 1.0 or newer on this machine"
        return "no OPA 1.0 or newer was found: install it, or set PLANGATE_OPA to a version or a path"

    def _every(self) -> Iterator[Opa]:
        if self._wanted == OFF:
            return
        version = self._wanted if _VERSION.fullmatch(self._wanted) else ""
        if self._wanted and not version:
            places = [(Path(self._wanted).expanduser(), "PLANGATE_OPA")]
        else:
            places = list(self._places(version))
        for path, origin in places:
            found = _opa(path, origin)
            if found and (not version or found.version == version):
                yield found

    def _places(self, version: str) -> Iterator[tuple[Path, str]]:
        if self._folder is not None:
            named = [*self._folder.glob("opa_*"), *self._folder.glob("*/opa"), self._folder / "opa"]
            there = [(_order(path), path) for path in named if path.is_file()]
            for _, path in sorted(there, reverse=True):
                yield path, f"in {self._folder}"
        if found := shutil.which("opa", path=self._path):
            yield Path(found), "on PATH"
        if self._source is not None and version and (place := self._source.place(version)):
            yield place, "downloaded"


def _order(path: Path) -> tuple[int, ...]:
    name = path.name.removeprefix("opa_") if path.name != "opa" else path.parent.name
    return tuple(int(part) for part in re.findall(r"\d+", name))


def _opa(path: Path, origin: str) -> Opa | None:
    try:
        path = path.resolve(strict=True)
        changed = path.stat().st_mtime_ns
    except OSError:
        return None
    if not os.access(path, os.X_OK) or not path.is_file():
        return None
    version, capabilities = _ask(path, changed)
    return Opa(version, path, origin, capabilities) if version else None


@lru_cache(maxsize=64)
def _ask(path: Path, _changed: int) -> tuple[str, str]:
    """Return a program's version and capabilities, empty if it is not an OPA. Asks once for each file."""
    found = _SAID.search(_said(path, "version"))
    if not found or int(found[1].split(".")[0]) < 1:
        return "", ""
    try:
        able = json.loads(_said(path, "capabilities", "--current"))
        able["builtins"] = [each for each in able["builtins"] if each["name"] not in REFUSED]
    except (ValueError, KeyError, TypeError):
        return "", ""
    # Schemas are not fetched either.
    able["allow_net"] = []
    return found[1], json.dumps(able)


def _said(path: Path, *argv: str) -> str:
    """Return what a program prints, empty if it does not run. Asks again if it was killed."""
    for _ in range(_PROBES):
        try:
            done = subprocess.run(
                [str(path), *argv],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                env={"PATH": os.defpath, "HOME": "/nonexistent"},
                cwd="/",
                timeout=_PROBE_SECONDS,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired):
            return ""
        if done.returncode >= 0:
            return done.stdout.decode(errors="replace")
    return ""
