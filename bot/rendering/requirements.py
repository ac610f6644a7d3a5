"""The table of what an apply needs, met or not, as the answer to a refused `/apply` and `/why` show it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bot.domain.changes.requirements import Check
from bot.rendering.escape import Markdown, cell, code, phrase, plain


@dataclass(frozen=True)
class RequirementRow:
    """A requirement's line."""

    met: Markdown
    name: Markdown
    why: Markdown


@dataclass(frozen=True)
class RequirementTable:
    """What one workspace needs."""

    name: Markdown
    rows: tuple[RequirementRow, ...]


def requirement_table(name: str, checks: Sequence[Check]) -> RequirementTable:
    """Return the table of a workspace."""
    return RequirementTable(plain(name, 90), tuple(_row(check) for check in checks))


def _row(check: Check) -> RequirementRow:
    met = Markdown("✅ yes" if check.met else "❌ no")
    return RequirementRow(met, cell(code(check.requirement, 40)), cell(phrase(check.why, 400)))
