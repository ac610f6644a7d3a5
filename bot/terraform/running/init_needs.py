"""What a plan and an apply need besides the commit: often nothing that only `init` could bring.

Terraform looks for the providers that the lock file names. If a kept package of each is here, they are linked
to as `init` would do. A saved plan has its modules and its backend. For a plan, both are noted down as `init`
would, if the modules are local and the state is kept here. Nothing of that comes from an earlier run, so no
change can bring anything into the run of another (promise 5).

Terraform holds what it finds against the configuration before it begins. If it wants an `init` after all, the
run starts again with one, on a new tree.
"""

from __future__ import annotations

import io
import json
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from bot.domain.plans.dependency_lock import read_lock
from bot.terraform.files.runfolder import RunFolder
from bot.terraform.repository.calls import Calls, calls_of
from bot.terraform.running import provider_cache

_MANIFEST = "tfconfig/modules.json"
_DOWNLOADED = PurePosixPath(".terraform/modules").parts

POINTER, MODULES = Path(".terraform/terraform.tfstate"), Path(".terraform/modules/modules.json")
# What the `http` backend can be configured with, since Terraform 1.4; 1.15 has no more. In files we configure
# nothing of it.
_HTTP = (
    *("address", "client_ca_certificate_pem", "client_certificate_pem", "client_private_key_pem"),
    *("lock_address", "lock_method", "password", "retry_max", "retry_wait_max", "retry_wait_min"),
    *("skip_cert_verification", "unlock_address", "unlock_method", "update_method", "username"),
)
SINCE = (1, 4, 0)
# By Terraform's titles, for in automation it does not always name the command.
_WANTED = ("terraform init", "Required plugins are not installed", "Inconsistent dependency lock file")


class InitNeeded(Exception):
    """Terraform did not begin to plan without an `init`."""


def packages(saved_plan: bytes, dependency_lock: bytes, cache: Path | None) -> list[Path] | None:
    """Return the providers' places below the cache; None if the apply of a plan needs an `init`.

    The lock file is the plan's. A module from elsewhere may have files that are read during the apply.
    """
    return None if _has_downloads(saved_plan) else locked_packages(dependency_lock, cache)


def locked_packages(dependency_lock: bytes, cache: Path | None) -> list[Path] | None:
    """Return the places below the cache of what a lock file names; None if one is not there."""
    if not dependency_lock:
        return []
    return provider_cache.packages(cache, dependency_lock) if cache else None


def files_of_init(
    folder: RunFolder, directory: Path, dependency_lock: bytes, version: str
) -> Mapping[Path, bytes] | None:
    """Return the files that `init` would write for a configuration; None if its plan needs an `init`.

    The state is kept here, and the lock file's providers are in the cache.
    """
    calls = calls_of(folder, directory)
    if calls is None or not _has_locked(calls, dependency_lock):
        return None
    files = {POINTER: pointer(version)}
    if len(calls.modules) > 1:
        files[MODULES] = _manifest(calls)
    return files


def write(folder: RunFolder, directory: Path, files: Mapping[Path, bytes]) -> None:
    """Write files of `init` into a directory of the run's tree. Raises EngineError."""
    for name, data in files.items():
        for above in reversed(name.parents[:-1]):
            folder.folder(directory / above)
        folder.write(directory / name, data)


def wanted(said: str) -> bool:
    """Whether Terraform refused to begin because it wants an `init`, by its words.

    A change's code can say them too. Then its run starts again, once.
    """
    text = " ".join(said.replace("│", " ").split())
    return any(words in text for words in _WANTED)


def pointer(version: str) -> bytes:
    """Return what `init` notes of our backend, an `http` one that nothing is configured of in files."""
    # As cty hashes a tuple of the backend's type and its configuration (internal/configs/backend.go).
    known = zlib.crc32(f'<"http";<{"~;" * len(_HTTP)}>;>'.encode())
    kept = {"type": "http", "config": dict.fromkeys(_HTTP), "hash": known}
    return json.dumps({"version": 3, "terraform_version": version, "backend": kept}).encode()


def _manifest(calls: Calls) -> bytes:
    listed = [{"Key": each.key, "Source": each.source, "Dir": each.directory} for each in calls.modules]
    return json.dumps({"Modules": listed}).encode()


def _has_locked(calls: Calls, dependency_lock: bytes) -> bool:
    """Whether `init` would leave the lock file as it is: it removes what nothing names any more."""
    locked = read_lock(dependency_lock)
    return all(calls.names(each.address) for each in locked) if locked else not calls.foreign


def _has_downloads(saved_plan: bytes) -> bool:
    """Whether a plan, which was verified when it was made, has modules that `init` downloaded."""
    try:
        with zipfile.ZipFile(io.BytesIO(saved_plan)) as members:
            known = json.loads(members.read(_MANIFEST))
        return any(PurePosixPath(each["Dir"]).parts[:2] == _DOWNLOADED for each in known)
    except (zipfile.BadZipFile, KeyError, ValueError, TypeError):
        return True
