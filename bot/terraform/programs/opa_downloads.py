"""Downloads OPA. A program must have the SHA-256 that the operator configured.

The mirror has a release's program at `v<version>/<name>`, like
https://github.com/open-policy-agent/opa/releases. OPA does not sign its releases with OpenPGP.
"""

from __future__ import annotations

import os
import platform
import sys
from pathlib import Path
from urllib.parse import urlsplit

from bot.domain.errors import EngineError
from bot.services.ports import Watch
from bot.terraform.files.locks import locked
from bot.terraform.files.runfolder import remove_tree
from bot.terraform.programs.releases import read_checksums
from bot.terraform.programs.transfer import Transfer

_PROGRAM_BYTES = 300_000_000
_MACHINES = {"x86_64": "amd64", "amd64": "amd64", "aarch64": "arm64", "arm64": "arm64"}


class OpaDownloads:
    """Installs to `folder`, which processes may share. `limit` is in seconds."""

    def __init__(self, folder: Path, mirror: str, checksums: Path, *, limit: float = 900) -> None:
        self._folder = folder
        self._mirror = mirror
        self._checksums = checksums
        self._limit = limit

    def place(self, version: str) -> Path | None:
        """Return the program of a version that was downloaded before, None if it was not."""
        program = self._folder / version / "opa"
        return program if os.access(program, os.X_OK) else None

    def install(self, version: str, watch: Watch) -> Path:
        """Download a version, if it is not here yet. Raises EngineError, Interrupted, TimedOut."""
        place = self._folder / version
        with locked(place.with_name(f"{version}.lock"), watch, limit=self._limit):
            if program := self.place(version):
                return program
            self._install(version, place, watch)
        return place / "opa"

    def _install(self, version: str, place: Path, watch: Watch) -> None:
        name = f"v{version}/{program_name()}"
        expected = self._expected(name)
        watch.output(f"Downloading OPA {version} from {urlsplit(self._mirror).netloc}\n")
        scratch = place.with_name(f".{version}")
        remove_tree(scratch)  # of a worker that was killed: only we hold the lock
        scratch.mkdir(mode=0o755)
        try:
            program = scratch / "opa"
            transfer = Transfer(self._limit)
            if transfer.save(f"{self._mirror}/{name}", program, _PROGRAM_BYTES, watch) != expected:
                raise EngineError(f"{name} does not have the expected checksum, and was not installed")
            program.chmod(0o755)
            remove_tree(place)
            scratch.rename(place)
        finally:
            remove_tree(scratch)

    def _expected(self, name: str) -> str:
        try:
            text = self._checksums.read_text(encoding="utf-8")
        except (OSError, ValueError) as error:
            raise EngineError(f"the file of checksums {self._checksums.name} can't be read") from error
        known = read_checksums(text, self._checksums.name)
        if name not in known:
            raise EngineError(f"{name} is not in the file of checksums {self._checksums.name}")
        return known[name]


def program_name() -> str:
    """Return the name of this machine's program in a release."""
    system = "darwin" if sys.platform == "darwin" else "linux"
    machine = _MACHINES.get(platform.machine().lower(), platform.machine().lower())
    return (
        f"opa_{system}_{machine}_static" if (system, machine) != ("darwin", "amd64") else "opa_darwin_amd64"
    )
