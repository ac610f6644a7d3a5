"""What the comment about an apply's end shows: the typed context of `templates/comments/outcome.md`."""

from __future__ import annotations

import re
from dataclasses import dataclass

from bot.domain import lifecycle
from bot.domain.lifecycle import RunStatus
from bot.domain.report import OutcomeReport
from bot.domain.run import Run
from bot.rendering.change import MOST_ERROR
from bot.rendering.moods import count_signs
from bot.rendering.neutral import Markdown, code, fence, html, link, one_line, plain
from bot.rendering.plan_text import Excerpt, error_lines, output_lines
from bot.rendering.shrinking import Depth

_SUMMARY = re.compile(r"(?:Apply|Destroy) complete!.*")
_TITLES = {
    RunStatus.APPLIED: "✅ Applied",
    RunStatus.ERRORED: "❌ Apply failed:",
    RunStatus.CANCELED: "⚪ Apply canceled:",
}


@dataclass(frozen=True)
class OutcomeContext:
    """Everything that the template sees."""

    title: Markdown
    name: Markdown
    by: Markdown
    changes: Markdown
    again: Markdown
    error: Excerpt | None
    output: Excerpt | None
    summary: Markdown
    sha: Markdown
    run: Markdown
    later: Markdown


class OutcomeView:
    """Prepares a report once, and gives its context at any depth."""

    def __init__(self, report: OutcomeReport, limit: int) -> None:
        self._report = report
        # The end of the output says how it ended: what is too long loses its start.
        self._output = output_lines(report.output_tail, limit)
        ends = [line for line in self._output.lines if _SUMMARY.fullmatch(line)]
        self._summary = ends[-1] if ends else ""
        self._error = error_lines(report.run.error, MOST_ERROR)

    @property
    def full(self) -> Depth:
        """The depth at which everything is shown."""
        return Depth(self._output.size, 0, MOST_ERROR * 2, 0, 0)

    def context(self, depth: Depth) -> OutcomeContext:
        """Return what the template shows at a depth."""
        run = self._report.run
        name = self._report.workspace.name
        failed = run.status is not RunStatus.APPLIED
        title = _TITLES.get(run.status, f"{lifecycle.LABELS[run.status]}:")
        return OutcomeContext(
            title=Markdown(title),
            name=plain(name, 90),
            by=_by(run),
            changes=count_signs(run.counts),
            again=fence(one_line(f"/plan {name}")) if failed else Markdown(""),
            error=self._error.head(depth.error) if failed else None,
            output=self._output.tail(depth.plan),
            summary=html(self._summary) or Markdown("Output"),
            sha=code(run.commit[:7]),
            run=link(Markdown("the run"), self._report.run_url),
            later=_later(self._report.superseded_by),
        )


def _later(url: str) -> Markdown:
    return link(Markdown("a later apply"), url) if url else Markdown("")


def _by(run: Run) -> Markdown:
    """Say who let it happen, and who stopped it."""
    approver = run.confirmed_by or (run.approval.by if run.approval else "")
    parts = [f"approved by {code(approver, 100)}" if approver else "applied automatically"]
    if run.status is RunStatus.CANCELED and run.cancel_requested_by:
        parts.append(f"canceled by {code(run.cancel_requested_by, 100)}")
    return Markdown(", ".join(parts))
