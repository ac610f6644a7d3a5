"""Paths in plangate.yml: folders, patterns of them, and the entries of `depends_on`."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Annotated

from pydantic import AfterValidator

from bot.config.problems import shown


def inside(what: str, slash: str = "") -> Callable[[str], str]:
    """Return a check of paths that must stay inside the repository. `slash` stands for the root."""

    def check(text: str) -> str:
        if not text.isprintable() or "\\" in text:
            raise ValueError(f"{shown(text)} is no {what}: write it with forward slashes")
        if text.startswith("/") and not slash:
            bare = text.strip("/") or "."
            raise ValueError(f"{shown(text)} must be relative to the repository's root: write {shown(bare)}")
        steps = text.split("/")
        if ".." in steps or text.startswith("~"):
            raise ValueError(f"{shown(text)} must stay inside the repository: write it without `..` and `~`")
        return "/".join(step for step in steps if step not in ("", ".")) or slash

    return check


def _pattern(text: str) -> str:
    if not text.strip() or "[" in text or "!" in text[:1]:
        raise ValueError(
            f"{shown(text)} is not a valid pattern: `*`, `?` and `**` are known, such as network/**/*.tf"
        )
    return inside("pattern", slash="/")(text)


def _source_place(text: str) -> str:
    relative = re.match(r"(?:\./|(?:\.\./)+)", text)
    if relative is None:
        return _directories(text)
    # It starts at the workspace's own directory, so it may leave that.
    if ".." in (rest := text[relative.end() :]).split("/") or not rest:
        raise ValueError(f"{shown(text)} is not a directory: write it like `../network`")
    return relative[0] + _pattern(rest)


def _directories(text: str) -> str:
    return "." if text in (".", "/", "./") else _pattern(text)


Directory = Annotated[str, AfterValidator(_directories)]
Pattern = Annotated[str, AfterValidator(_pattern)]
DependsOn = Annotated[str, AfterValidator(_source_place)]
