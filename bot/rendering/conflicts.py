"""The part of a change's comment about a merge that can't be made. File names are hostile text."""

from __future__ import annotations

from dataclasses import dataclass

from bot.domain.reports.report import ChangeReport
from bot.rendering.escape import Markdown, code, phrase

_MOST_FILES = 20


@dataclass(frozen=True)
class ConflictPart:
    """Why nothing is planned, the first files that conflict, and how many more there are."""

    words: Markdown
    files: tuple[Markdown, ...]
    more: int


def conflict_part(report: ChangeReport) -> ConflictPart | None:
    """Return the part of a report, None if the change can be merged."""
    if not report.conflict:
        return None
    named = tuple(name for name in report.conflicts if name)
    shown = tuple(code(name, 150) for name in named[:_MOST_FILES])
    words = report.conflict[:1].upper() + report.conflict[1:]
    return ConflictPart(phrase(words, 400), shown, len(named) - len(shown))
