"""The dependency lock file of a run's tree, and whether the workspace allows what it names."""

from __future__ import annotations

import os
from pathlib import Path

from bot.domain.errors import EngineError
from bot.domain.plans.dependency_lock import read_lock
from bot.domain.workspaces.isolation import Isolation
from bot.terraform.files.runfolder import RunFolder

LOCK_FILE = ".terraform.lock.hcl"
# Bytes: a lock of a hundred providers has a fifth of it. It is read several times, outside of the sandbox.
_LARGEST = 1 << 20


def lock_file(folder: RunFolder, directory: Path) -> bytes:
    """Return the lock file in a directory of the run's tree; empty if there is none.

    Raises EngineError if it is a link, or anything else that Terraform may read and Plangate does not.
    """
    place = directory / LOCK_FILE
    found = folder.read(place, _LARGEST)
    if found is None and os.path.lexists(place):
        raise EngineError(f"{LOCK_FILE} is not a regular file of a usual size: commit it as one")
    return found or b""


def check_sources(dependency_lock: bytes, isolation: Isolation) -> None:
    """Make sure that a workspace allows every provider that a lock file names. Raises EngineError."""
    for provider in read_lock(dependency_lock):
        if not isolation.allows(provider.address):
            allowed = ", ".join(isolation.providers)
            raise EngineError(
                f"the provider {provider.address} is not allowed here: "
                f"`providers` in plangate.yml has {allowed}"
            )
