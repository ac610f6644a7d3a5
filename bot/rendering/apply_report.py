"""View model of the comment on one finished apply: `templates/comments/outcome.md`."""

from __future__ import annotations

import re
from dataclasses import dataclass

from bot.domain.reports.report import ApplyReport
from bot.domain.runs import lifecycle
from bot.domain.runs.lifecycle import RunStatus
from bot.domain.runs.run import Run
from bot.rendering.change import MOST_ERROR, whole_error
from bot.rendering.escape import Markdown, code, fence, html, link, one_line, plain
from bot.rendering.fit import Depth
from bot.rendering.plan_text import Excerpt, Lines, error_lines, output_lines
from bot.rendering.section_states import count_signs

_SUMMARY = re.compile(r"(?:Apply|Destroy) complete!.*")
_TITLES = {
    RunStatus.APPLIED: "✅ Applied",
    RunStatus.ERRORED: "❌ Apply failed:",
    RunStatus.CANCELED: "⚪ Apply canceled:",
}


@dataclass(frozen=True)
class ApplyReportContext:
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


class ApplyReportView:
    """Prepares a report once, and gives its context at any depth."""

    def __init__(self, report: ApplyReport, limit: int) -> None:
        self._report = report
        # The end of the output is the most important: if it is too long, the start is cut.
        self._output = output_lines(report.output_tail, limit)
        self._summary = summary_of(self._output)
        self._error = error_lines(whole_error(report.run.error, report.errors), MOST_ERROR)

    @property
    def full(self) -> Depth:
        """The depth at which everything is shown."""
        return Depth(self._output.size, 0, MOST_ERROR * 2, 0, 0)

    def context(self, depth: Depth) -> ApplyReportContext:
        """Return the view model for a depth."""
        run = self._report.run
        name = self._report.workspace.name
        failed = run.status is not RunStatus.APPLIED
        title = _TITLES.get(run.status, f"{lifecycle.LABELS[run.status]}:")
        return ApplyReportContext(
            title=Markdown(title),
            name=plain(name, 90),
            by=approver_words(run),
            changes=count_signs(run.counts),
            again=fence(one_line(self._report.again)) if failed else Markdown(""),
            error=self._error.head(depth.error) if failed else None,
            output=self._output.tail(depth.plan),
            summary=html(self._summary) or Markdown("Output"),
            sha=code(run.commit[:7]),
            run=link(Markdown("the run"), self._report.run_url),
            later=later_link(self._report.superseded_by),
        )


def summary_of(output: Lines) -> str:
    """Return Terraform's own summary of an apply, empty if its output has none."""
    ends = [line for line in output.lines if _SUMMARY.fullmatch(line)]
    return ends[-1] if ends else ""


def later_link(url: str) -> Markdown:
    """Return a link to the apply that outdates another."""
    return link(Markdown("a later apply"), url) if url else Markdown("")


def approver_words(run: Run) -> Markdown:
    """Say who approved it, and who canceled it."""
    approver = run.confirmed_by or (run.approval.by if run.approval else "")
    parts = [f"approved by {code(approver, 100)}" if approver else "applied automatically"]
    if run.status is RunStatus.CANCELED and run.cancel_requested_by:
        parts.append(f"canceled by {code(run.cancel_requested_by, 100)}")
    return Markdown(", ".join(parts))
