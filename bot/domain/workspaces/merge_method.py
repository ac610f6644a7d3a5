"""Merging a change by itself: the ways in which a forge merges."""

from __future__ import annotations

from enum import StrEnum


class MergeMethod(StrEnum):
    """How a change comes to be on its base branch; each forge spells it in its own words."""

    MERGE = "merge"
    SQUASH = "squash"
    REBASE = "rebase"
