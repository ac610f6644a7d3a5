"""What the answer to `/why` shows: the typed context of `templates/comments/why.md`."""

from __future__ import annotations

from dataclasses import dataclass

from bot.domain.why import Because, WhyReport
from bot.rendering.neutral import Markdown, code, link, phrase, plain
from bot.rendering.requirements import RequirementTable, requirement_table


@dataclass(frozen=True)
class WhyPart:
    """A workspace, what is said of it, and what an apply needs there."""

    name: Markdown
    sentences: tuple[Markdown, ...]
    table: RequirementTable | None


@dataclass(frozen=True)
class WhyContext:
    """Everything that the template sees; `more` are those for which there is no room."""

    sha: Markdown
    parts: tuple[WhyPart, ...]
    others: tuple[WhyPart, ...]
    more: int
    merging: Markdown


def why_context(report: WhyReport, shown: int) -> WhyContext:
    """Return what the template shows of the first `shown` workspaces."""
    parts = tuple(_part(each) for each in report.parts[:shown])
    others = tuple(_part(each) for each in report.others[: max(0, shown - len(report.parts))])
    more = len(report.parts) + len(report.others) - len(parts) - len(others)
    return WhyContext(code(report.sha[:7]), parts, others, more, phrase(report.merging, 600))


def _part(because: Because) -> WhyPart:
    name = plain(because.workspace, 90)
    return WhyPart(
        name=link(name, because.run_url) if because.run_url else name,
        sentences=tuple(phrase(sentence, 400) for sentence in because.sentences),
        table=requirement_table(because.workspace, because.checks) if because.checks else None,
    )
