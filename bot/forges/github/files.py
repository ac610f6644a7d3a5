"""Reads which files differ, and reports if GitHub's list is incomplete.

A silently incomplete list would leave a workspace unplanned; a reported one only costs a plan.
"""

from __future__ import annotations

from collections.abc import Iterator

from bot.domain.events import ChangedFiles
from bot.forges.fields import look, optional_text, text

PULL_FILES = 3_000
COMPARE_FILES = 300
_FORWARD = ("ahead", "identical")


def from_pages(pages: Iterator[list[object]]) -> ChangedFiles:
    """Return a pull request's files; GitHub lists the first 3,000. Raises Invalid for an unknown shape."""
    paths: dict[str, None] = {}
    listed = 0
    for page in pages:
        listed += len(page)
        paths |= _names(page)
        if listed >= PULL_FILES:
            return ChangedFiles(tuple(paths), complete=False)
    return ChangedFiles(tuple(paths))


def from_comparison(comparison: object) -> ChangedFiles:
    """Return the files of a comparison; GitHub lists the first 300. Raises Invalid for an unknown shape."""
    files = look(comparison, "files")
    if not isinstance(files, list):
        return ChangedFiles.unknown()
    # GitHub compares from the common ancestor. After a force-push that leaves out what the dropped commits
    # had changed, though the branch no longer has it.
    forward = optional_text(comparison, "status") in _FORWARD
    return ChangedFiles(tuple(_names(files)), complete=forward and len(files) < COMPARE_FILES)


def _names(files: list[object]) -> dict[str, None]:
    """Return both names of each file, because a rename also touches the old place."""
    names: dict[str, None] = {}
    for file in files:
        names[text(file, "filename")] = None
        previous = optional_text(file, "previous_filename")
        if previous:
            names[previous] = None
    return names
