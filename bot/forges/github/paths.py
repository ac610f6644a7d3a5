"""Writes the addresses of GitHub's API, so that nothing in a name can lead elsewhere."""

from __future__ import annotations

import re
from urllib.parse import quote, urlsplit

from bot.domain.errors import NotFound
from bot.domain.events import RepoRef

_NAME = re.compile(r"(?!\.{1,2}$)[A-Za-z0-9._-]+")


def repo_path(repo: RepoRef) -> str:
    """Return `/repos/owner/name`. Raises NotFound if the path is not of that form."""
    owner, _, name = repo.path.partition("/")
    if not _NAME.fullmatch(owner) or not _NAME.fullmatch(name):
        raise NotFound(f"{repo.forge} has no repository {repo.path!r}: its path should be owner/name")
    return f"/repos/{owner}/{name}"


def segment(name: str) -> str:
    """Return a name as one segment of a path, slashes included."""
    return quote(name, safe="")


def web_address(api_url: str) -> str:
    """Return where people and Git find what an API serves: a server's root, or the host less its `api.`."""
    parts = urlsplit(api_url)
    path = parts.path.rstrip("/")
    if path.endswith("/api/v3"):
        return f"{parts.scheme}://{parts.netloc}{path.removesuffix('/api/v3')}"
    return f"{parts.scheme}://{parts.netloc.removeprefix('api.')}{path}"
