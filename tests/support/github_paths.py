"""Addresses of GitHub's API as its description writes them."""

from __future__ import annotations

import re

# The description has these parameters as one segment; GitHub takes slashes in them.
_MANY_SEGMENTS = (
    (re.compile(r"(/contents/).+$"), r"\1path"),
    (re.compile(r"(/git/ref/).+$"), r"\1ref"),
    (re.compile(r"(/compare/).+$"), r"\1base...head"),
)


def described_path(path: str) -> str:
    """Put one segment where the description knows only one."""
    for pattern, replacement in _MANY_SEGMENTS:
        path = pattern.sub(replacement, path)
    return path
