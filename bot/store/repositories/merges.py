"""Merges of changes into their bases, and what was applied of them, as parts of rows."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from bot.domain.runs.merge_result import AsApplied, MergeResult


def merge_row(merge: MergeResult | None) -> dict[str, Any] | None:
    """Return a merge as a JSON document."""
    return None if merge is None else {**asdict(merge), "conflicts": [*merge.conflicts]}


def read_merge(row: dict[str, Any] | None) -> MergeResult | None:
    """Return a JSON document as a merge."""
    return None if row is None else MergeResult(**{**row, "conflicts": tuple(row["conflicts"])})


def applied_row(applied: AsApplied | None) -> dict[str, str] | None:
    """Return what was applied before as a JSON document."""
    return None if applied is None else asdict(applied)


def read_applied(row: dict[str, str] | None) -> AsApplied | None:
    """Return a JSON document as what was applied before."""
    return None if row is None else AsApplied(**row)
