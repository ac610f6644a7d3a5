"""Brings a policy set's files here: from a folder of this machine, or from a repository's mirror."""

from __future__ import annotations

import os
from pathlib import Path

from bot.domain.errors import EngineError
from bot.services.ports import Files, GitRemote, Watch
from bot.terraform.repository.checkout import LARGEST, Checkout

WANTED = (".rego", ".hcl", ".json", ".yaml", ".yml")
MOST_FILES = 1000


class SetFolders:
    """The SetFiles port. Relative folders are the configuration file's neighbours."""

    def __init__(self, beside: Path, checkout: Checkout) -> None:
        self._beside = beside
        self._checkout = checkout

    def local(self, folder: str) -> Files:
        """Return the files of a folder of this machine."""
        root = (self._beside / Path(folder).expanduser()).absolute()
        if not root.is_dir():
            raise EngineError(f"the policy set's folder {folder} is not there, or is not a folder")
        return read_folder(root)

    def at_commit(self, remote: GitRemote, commit: str, folder: str, watch: Watch) -> Files:
        """Return the files of a repository's folder at a commit; none if the folder is not there."""
        prefix = folder.strip("/")
        prefix = "" if prefix in ("", ".") else f"{prefix}/"
        return self._checkout.files(remote, commit, prefix, WANTED, watch, most=MOST_FILES)


def read_folder(root: Path) -> dict[str, bytes]:
    """Return a set's files from a folder of this machine; links and hidden folders are left out."""
    found: dict[str, bytes] = {}
    size = 0
    for place, folders, names in os.walk(root):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            path = Path(place, name)
            if not name.endswith(WANTED) or path.is_symlink() or not path.is_file():
                continue
            size += path.stat().st_size
            if len(found) >= MOST_FILES or size > LARGEST:
                raise EngineError(
                    f"{root.name} is too large for a policy set: "
                    f"{MOST_FILES} files and {LARGEST >> 20} MB at most"
                )
            found[path.relative_to(root).as_posix()] = path.read_bytes()
    return found
