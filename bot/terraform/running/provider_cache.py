"""The providers that a repository's runs have downloaded, kept for its later ones.

Whoever could write there would have other runs execute it, also an apply that is under way: Terraform looks
at a provider's checksum only once, when it begins (promise 5). So each repository has a cache of its own,
Terraform only ever reads it, and what it brought into a run's tree is added afterwards, of runs alone whose
code is the branch's. What is there stays as it is: nothing changes under a run that uses it.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import tempfile
import time
from pathlib import Path

from bot.terraform.environment import platform_name

_COMING = ".coming-"
# In seconds: what a killed worker left on its way is older than any that is still being moved.
_LONGEST_MOVE = 24 * 3600

_LOCKED = re.compile(r'^provider "([^"]+)" \{\s*\n\s*version\s*=\s*"([^"]+)"', re.MULTILINE)


def has_all(cache: Path, dependency_lock: bytes) -> bool:
    """Whether all that a dependency lock file names is there; False where it names nothing."""
    locked = _LOCKED.findall(dependency_lock.decode(errors="replace"))
    here = platform_name()
    return bool(locked) and all((cache / address / version / here).exists() for address, version in locked)


def brings_providers(directory: Path) -> bool:
    """Whether Terraform would take providers from the commit itself."""
    return os.path.lexists(directory / "terraform.d")


def add(cache: Path, directory: Path) -> None:
    """Add the providers that an init has brought into a directory, and have the directory link to them."""
    brought = directory / ".terraform" / "providers"
    for found in sorted(brought.glob(f"*/*/*/*/{platform_name()}")):
        kept = cache / found.relative_to(brought)
        kept.parent.mkdir(parents=True, exist_ok=True)
        # Whoever comes second leaves the first one's, and uses its own.
        if found.is_symlink():
            with contextlib.suppress(FileExistsError):
                kept.symlink_to(found.readlink())
        elif _moved(found, kept):
            found.symlink_to(kept)


def _moved(found: Path, kept: Path) -> bool:
    """Move a directory to where nothing is, at once or not at all; False where something is there."""
    if os.path.lexists(kept):
        return False
    _remove_left(kept.parent)
    # The cache may lie on another disk, where to move is to copy: not seen by anybody before it is whole.
    with tempfile.TemporaryDirectory(prefix=_COMING, dir=kept.parent, ignore_cleanup_errors=True) as folder:
        aside = Path(folder, found.name)
        try:
            shutil.move(found, aside)
        except OSError:
            return False  # a full disk, say: what was copied is still where it was
        try:
            aside.rename(kept)
        except OSError:
            shutil.move(aside, found)
            return False
    return True


def _remove_left(folder: Path) -> None:
    """Remove what workers left there that were killed in the midst of a move."""
    for left in folder.glob(f"{_COMING}*"):
        with contextlib.suppress(FileNotFoundError):
            if time.time() - left.stat().st_mtime > _LONGEST_MOVE:
                shutil.rmtree(left, ignore_errors=True)
