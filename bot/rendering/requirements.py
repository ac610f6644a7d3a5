"""The table of what an apply needs, met or not, as the answer to a refused `/apply` and `/why` show it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from bot.domain.changes.requirements import Check
from bot.rendering.escape import Markdown, cell, code, phrase, plain

_MOST_NAMES = 25


@dataclass(frozen=True)
class RequirementRow:
    """A requirement's line."""

    met: Markdown
    name: Markdown
    why: Markdown


@dataclass(frozen=True)
class RequirementTable:
    """What some workspaces need, and how many they are."""

    name: Markdown
    rows: tuple[RequirementRow, ...]
    number: int


@dataclass(frozen=True)
class Answer:
    """Why something is refused: workspaces or commands, the reason, and how many they are."""

    what: Markdown
    why: Markdown
    number: int


def requirement_tables(tables: Sequence[tuple[str, Sequence[Check]]]) -> list[RequirementTable]:
    """Return the tables, one for all workspaces of which it says the same."""
    by_checks: dict[tuple[Check, ...], list[str]] = {}
    for name, checks in tables:
        by_checks.setdefault(tuple(checks), []).append(name)
    return [
        RequirementTable(listed(map(_name, found)), tuple(map(_row, checks)), len(found))
        for checks, found in by_checks.items()
    ]


def requirement_table(name: str, checks: Sequence[Check]) -> RequirementTable:
    """Return the table of a workspace."""
    return RequirementTable(_name(name), tuple(map(_row, checks)), 1)


def listed(names: Iterable[Markdown]) -> Markdown:
    """List the first names, and count the others."""
    found = list(filter(None, names))
    more = len(found) - _MOST_NAMES
    return Markdown(", ".join(found[:_MOST_NAMES]) + (f" and {more} more" if more > 0 else ""))


def _name(name: str) -> Markdown:
    return plain(name, 90)


def _row(check: Check) -> RequirementRow:
    met = Markdown("✅ yes" if check.met else "❌ no")
    return RequirementRow(met, cell(code(check.requirement, 40)), cell(phrase(check.why, 400)))
