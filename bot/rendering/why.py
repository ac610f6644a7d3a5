"""View model of the answer to `/why`: `templates/comments/why.md`."""

from __future__ import annotations

from dataclasses import dataclass

from bot.domain.changes.why import WhyReport, WhySection
from bot.rendering.escape import Markdown, code, link, phrase, plain
from bot.rendering.requirements import RequirementTable, requirement_table


@dataclass(frozen=True)
class WhyPart:
    """A workspace: its sentences, and its requirements for an apply."""

    name: Markdown
    sentences: tuple[Markdown, ...]
    table: RequirementTable | None


@dataclass(frozen=True)
class WhyContext:
    """The view model; `more` counts the workspaces that don't fit."""

    sha: Markdown
    parts: tuple[WhyPart, ...]
    others: tuple[WhyPart, ...]
    more: int
    merging: Markdown


def why_context(report: WhyReport, shown: int) -> WhyContext:
    """Return the view model with the first `shown` workspaces."""
    parts = tuple(_part(each) for each in report.parts[:shown])
    others = tuple(_part(each) for each in report.others[: max(0, shown - len(report.parts))])
    more = len(report.parts) + len(report.others) - len(parts) - len(others)
    return WhyContext(code(report.sha[:7]), parts, others, more, phrase(report.merging, 600))


def _part(because: WhySection) -> WhyPart:
    name = plain(because.workspace, 90)
    return WhyPart(
        name=link(name, because.run_url) if because.run_url else name,
        sentences=tuple(phrase(sentence, 400) for sentence in because.sentences),
        table=requirement_table(because.workspace, because.checks) if because.checks else None,
    )
