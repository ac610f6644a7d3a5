"""The providers that a repository's runs have downloaded, kept for its later ones.

Whoever could write there would have other runs execute it, also an apply that is under way: Terraform looks
at a provider's checksum only once, when it begins (promise 5). So each repository has a cache of its own,
Terraform only ever reads it, and what it brought into a run's tree is added afterwards, of runs alone whose
code is the branch's. What is there stays as it is: nothing changes under a run that uses it.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import os
import shutil
import tempfile
import time
from pathlib import Path

from bot.domain.plans.dependency_lock import read_lock
from bot.terraform.processes.environment import platform_name

_COMING = ".coming-"
# In seconds: what a killed worker left on its way is older than any that is still being moved.
_LONGEST_MOVE = 24 * 3600

# The file beside a package that holds its hash.
_SUFFIX = ".h1"


def has_all(cache: Path, dependency_lock: bytes) -> bool:
    """Whether all that a dependency lock file names is there, with a hash that it names.

    False if it names nothing. The hash was taken when the package came, before any code of a change could
    have written to it. Raises EngineError as `read_lock` does.
    """
    here, wanted = platform_name(), read_lock(dependency_lock)
    return bool(wanted) and all(
        (cache / each.address / each.version / here).exists()
        and _hash_of(cache / each.address / each.version) in each.hashes
        for each in wanted
    )


def packages(cache: Path, dependency_lock: bytes) -> list[Path] | None:
    """Return the places below the cache of all that a lock file names; None if one is not there.

    Each is `<host>/<namespace>/<type>/<version>/<platform>`. Raises EngineError as `read_lock` does.
    """
    if not has_all(cache, dependency_lock):
        return None
    return [Path(each.address, each.version, platform_name()) for each in read_lock(dependency_lock)]


def package_hash(package: Path) -> str:
    """Return a package's `h1:` hash: of the sorted list of its files with their hashes.

    Source: golang.org/x/mod/sumdb/dirhash, which Terraform's lock files use for unpacked packages.
    """
    lines = []
    for place, _, names in os.walk(package.resolve()):
        for name in names:
            path = Path(place, name)
            with path.open("rb") as stream:
                digest = hashlib.file_digest(stream, "sha256").hexdigest()
            lines.append((path.relative_to(package.resolve()).as_posix(), digest))
    listed = "".join(f"{digest}  {name}\n" for name, digest in sorted(lines))
    return "h1:" + base64.b64encode(hashlib.sha256(listed.encode()).digest()).decode()


def _hash_of(version: Path) -> str:
    try:
        return (version / f"{platform_name()}{_SUFFIX}").read_text().strip()
    except OSError:
        return ""


def brings_providers(directory: Path) -> bool:
    """Whether Terraform would take providers from the commit itself."""
    return os.path.lexists(directory / "terraform.d" / "plugins") or (directory / "terraform.d").is_symlink()


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
                _seal(kept)
        elif _moved(found, kept):
            _seal(kept)
            found.symlink_to(kept)


def _seal(kept: Path) -> None:
    """Make a package nobody's but ours, and write down its hash."""
    if os.geteuid() == 0 and not kept.is_symlink():
        for place, names, files in os.walk(kept):
            for path in (place, *(os.path.join(place, name) for name in (*names, *files))):  # noqa: PTH118
                os.chown(path, 0, 0, follow_symlinks=False)
                if not os.path.islink(path):  # noqa: PTH114
                    os.chmod(path, 0o755)  # noqa: PTH101, S103 -- read by the users of runs
    aside = kept.with_name(f"{_COMING}{os.getpid()}{_SUFFIX}")
    aside.write_text(package_hash(kept) + "\n")
    aside.rename(kept.with_name(f"{kept.name}{_SUFFIX}"))


def _moved(found: Path, kept: Path) -> bool:
    """Move a directory to a free name, at once or not at all; False if the name is taken."""
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
