"""The providers that a repository's runs have downloaded, kept for its later ones.

Whoever could write there would have other runs execute it, also an apply that is under way: Terraform looks
at a provider's checksum only once, when it begins (promise 5). So each repository has a cache of its own,
plans and applies only read it, and of inits those alone fill it whose code is the branch's.
"""

from __future__ import annotations

import os
import re
from enum import Enum
from pathlib import Path

from bot.terraform.environment import platform_name

_LOCKED = re.compile(r'^provider "([^"]+)" \{\s*\n\s*version\s*=\s*"([^"]+)"', re.MULTILINE)


class Caching(Enum):
    """What a command does with the cache; each of them can see it, for the tree links to what is in it."""

    NONE = "none"
    READING = "reading"
    WRITING = "writing"


def has_all(cache: Path, dependency_lock: bytes) -> bool:
    """Whether all that a dependency lock file names is there; False where it names nothing."""
    locked = _LOCKED.findall(dependency_lock.decode(errors="replace"))
    here = platform_name()
    return bool(locked) and all((cache / address / version / here).exists() for address, version in locked)


def brings_providers(directory: Path) -> bool:
    """Whether Terraform would take providers from the commit itself, and put them or a link into a cache."""
    return os.path.lexists(directory / "terraform.d")
