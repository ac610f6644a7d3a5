"""Reads which files differ, and reports if GitLab's list is incomplete.

A silently incomplete list would leave a workspace unplanned; a reported one only costs a plan.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from bot.domain.events import ChangedFiles
from bot.forges.fields import flag, look, moment, optional_text, text

# For so long GitLab may be busy with a new merge request; one that is empty is never counted.
_PREPARING = timedelta(minutes=2)


def expected(change: object) -> int | None:
    """Return how many files a merge request has, None if GitLab does not know or stopped counting.

    It counts only after it has prepared the merge request, and up to a limit (`1000+`).
    Source: https://docs.gitlab.com/api/merge_requests/#get-single-mr
    """
    count = look(change, "changes_count")
    said = str(count) if isinstance(count, int | str) else ""
    return int(said) if said.isascii() and said.isdigit() else None


def uncounted(change: object, now: datetime) -> bool:
    """Return whether GitLab has not computed the changed files yet, so that its list would be empty.

    Source: https://docs.gitlab.com/api/merge_requests/#empty-api-fields-for-new-merge-requests
    """
    created = moment(change, "created_at")
    return look(change, "changes_count") in (None, "") and created is not None and now - created < _PREPARING


def from_pages(pages: Iterator[list[object]], wanted: int | None) -> ChangedFiles:
    """Return the files of pages of diffs; `wanted` is their number. Raises Invalid for an unknown shape."""
    paths: dict[str, None] = {}
    listed = 0
    for page in pages:
        listed += len(page)
        paths |= _names(page)
    return ChangedFiles(tuple(paths), complete=wanted is not None and listed >= wanted)


def from_changes(changes: object, wanted: int | None) -> ChangedFiles:
    """Return the files of an older version's one answer, which admits an overflow. Raises Invalid."""
    found = look(changes, "changes")
    if not isinstance(found, list):
        return ChangedFiles.unknown()
    complete = wanted is not None and len(found) >= wanted and look(changes, "overflow") is False
    return ChangedFiles(tuple(_names(found)), complete=complete)


def from_comparison(comparison: object) -> ChangedFiles:
    """Return the files of a comparison of two commits. Raises Invalid for an unknown shape."""
    diffs = look(comparison, "diffs")
    if not isinstance(diffs, list):
        return ChangedFiles.unknown()
    # The name is historical: the field says that a limit cut the list.
    # Source: lib/api/entities/compare.rb (`compare.diffs.diffs.overflow?`)
    return ChangedFiles(tuple(_names(diffs)), complete=not flag(comparison, "compare_timeout"))


def _names(diffs: list[object]) -> dict[str, None]:
    """Return both names of each file, because a rename also touches the old place."""
    names: dict[str, None] = {}
    for diff in diffs:
        names[text(diff, "new_path")] = None
        previous = optional_text(diff, "old_path")
        if previous:
            names[previous] = None
    return names
