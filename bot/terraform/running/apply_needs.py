"""What an apply needs besides its saved plan: often nothing that only `init` could bring.

A saved plan has its modules and its backend. Terraform takes both from there, and looks for the providers
that the lock file names. If a kept package of each is here, the apply runs without an `init`.
"""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path, PurePosixPath

from bot.terraform.running import provider_cache

_MANIFEST = "tfconfig/modules.json"
_DOWNLOADED = PurePosixPath(".terraform/modules").parts


def packages(saved_plan: bytes, dependency_lock: bytes, cache: Path | None) -> list[Path] | None:
    """Return the providers' places below the cache; None if the apply needs an `init`.

    The lock file is the plan's. A module from elsewhere may have files that are read during the apply.
    """
    if _has_downloads(saved_plan):
        return None
    if not dependency_lock:
        return []
    return provider_cache.packages(cache, dependency_lock) if cache else None


def _has_downloads(saved_plan: bytes) -> bool:
    """Whether a plan, which was verified when it was made, has modules that `init` downloaded."""
    try:
        with zipfile.ZipFile(io.BytesIO(saved_plan)) as members:
            known = json.loads(members.read(_MANIFEST))
        return any(PurePosixPath(each["Dir"]).parts[:2] == _DOWNLOADED for each in known)
    except (zipfile.BadZipFile, KeyError, ValueError, TypeError):
        return True
