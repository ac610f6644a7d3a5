"""Writes the addresses of GitLab's API, so that nothing in a name can lead elsewhere."""

from __future__ import annotations

import re
from urllib.parse import quote

from bot.domain.errors import NotFound
from bot.domain.events import RepoRef

_NAME = re.compile(r"(?!\.{1,2}$)[A-Za-z0-9_.-]+")


def project(repo: RepoRef) -> str:
    """Return `/projects/group%2Fsubgroup%2Fname`. Raises NotFound if the path is not of that form.

    Source: https://docs.gitlab.com/api/rest/#namespaced-paths
    """
    names = repo.path.split("/")
    if len(names) < 2 or not all(map(_NAME.fullmatch, names)):
        raise NotFound(f"{repo.forge} has no project {repo.path!r}: its path should be group/name")
    return f"/projects/{segment(repo.path)}"


def group(repo: RepoRef, path: str) -> str:
    """Return `/groups/group%2Fsubgroup`. Raises NotFound if the path is not of that form."""
    if not all(map(_NAME.fullmatch, path.split("/"))):
        raise NotFound(f"{repo.forge} has no group {path!r}")
    return f"/groups/{segment(path)}"


def segment(name: str) -> str:
    """Return a name as one segment of a path, slashes included."""
    return quote(name, safe="")
