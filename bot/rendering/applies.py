"""View model of the comment on the applies of one `/apply`: `templates/comments/applies.md`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from bot.domain.reports.report import ApplyReport
from bot.domain.runs import lifecycle
from bot.domain.runs.lifecycle import RunStatus, StageStatus
from bot.rendering.apply_report import approver_words, later_link, summary_of
from bot.rendering.change import MOST_ERROR, whole_error
from bot.rendering.escape import Markdown, cell, code, fence, html, link, one_line, phrase, plain
from bot.rendering.fit import Depth
from bot.rendering.plan_text import Excerpt, error_lines, output_lines
from bot.rendering.section_states import RANKS, SectionState, count_signs, run_state, tally

_MOST_AGAIN = 25
_LEAST_NAMES = 25
_MOST_APART = 3


@dataclass(frozen=True)
class ApplyRow:
    """A workspace's line in the table."""

    name: Markdown
    state: Markdown
    changes: Markdown


@dataclass(frozen=True)
class ApplyFailure:
    """An error, shown open, and the workspaces whose apply failed with it. No `error`: there is no room."""

    names: Markdown
    whole: Markdown
    error: Excerpt | None


@dataclass(frozen=True)
class ApplyFold:
    """The folded output of a workspace's apply."""

    name: Markdown
    summary: Markdown
    whole: Markdown
    output: Excerpt


@dataclass(frozen=True)
class AppliesContext:
    """Everything that the template sees."""

    emoji: Markdown
    title: Markdown
    by: Markdown
    sha: Markdown
    home: Markdown
    rows: tuple[ApplyRow, ...]
    more_rows: Markdown
    failures: tuple[ApplyFailure, ...]
    again: Markdown
    more_again: int
    folds: tuple[ApplyFold, ...]
    later: bool


class AppliesView:
    """Prepares the reports of several applies once, and gives their context at any depth."""

    def __init__(self, reports: Sequence[ApplyReport], home: str, limit: int) -> None:
        self._reports = reports
        self._home = link(Markdown("all runs"), home)
        self._states = [run_state(each.run, ready=each.run.awaits_confirmation) for each in reports]
        self._errors = [
            error_lines(whole_error(each.run.error, each.errors), MOST_ERROR) if _stopped(each) else None
            for each in reports
        ]
        # The end of the output is the most important: if it is too long, the start is cut.
        self._outputs = [output_lines(each.output_tail, limit) for each in reports]
        self._rows = [_row(each, state) for each, state in zip(reports, self._states, strict=True)]
        self._order = sorted(range(len(reports)), key=lambda index: RANKS[self._states[index]])
        self._foldable = [index for index in self._order if any(self._outputs[index].lines)]

    @property
    def full(self) -> Depth:
        """The depth at which everything is shown."""
        return Depth(
            plan=max((lines.size for lines in self._outputs), default=0),
            resources=0,
            error=MOST_ERROR * 2,
            rows=len(self._reports),
            warned=_MOST_AGAIN,
            folds=len(self._foldable),
        )

    def context(self, depth: Depth) -> AppliesContext:
        """Return the view model for a depth."""
        # A short table keeps what matters most; a whole one keeps the report's order.
        shown = sorted(self._order[: depth.rows])
        left = [self._states[index] for index in self._order[depth.rows :]]
        failed = [each for each in self._reports if _stopped(each)]
        again = failed[: depth.warned]
        return AppliesContext(
            emoji=self._states[self._order[0]].emoji,
            title=tally(self._states),
            by=_some(approver_words(each.run) for each in self._reports),
            sha=_some(code(each.run.commit[:7]) for each in self._reports),
            home=self._home,
            rows=tuple(self._rows[index] for index in shown),
            more_rows=tally(left) if left else Markdown(""),
            failures=tuple(self._failures(depth.error, depth.rows)),
            again=_commands(again),
            more_again=len(failed) - len(again) if again else 0,
            folds=tuple(self._folds(depth)),
            later=all(each.superseded_by for each in self._reports),
        )

    def _failures(self, most: int, rows: int) -> Iterable[ApplyFailure]:
        """Yield each error once, with all the workspaces that have it; those without room come last."""
        by_error: dict[tuple[str, ...], list[int]] = {}
        for index, error in enumerate(self._errors):
            if error is not None and any(error.lines):
                by_error.setdefault(error.lines if error.head(most) else (), []).append(index)
        for lines, indexes in sorted(by_error.items(), key=lambda each: not each[0]):
            listed = indexes if rows >= _LEAST_NAMES else indexes[: rows + _LEAST_NAMES]
            names = ", ".join(plain(self._reports[each].workspace.name, 90) for each in listed)
            more = len(indexes) - len(listed)
            first = self._errors[indexes[0]]
            yield ApplyFailure(
                Markdown(names + (f" and {more} more" if more else "")),
                link(Markdown("whole output"), self._reports[indexes[0]].run_url) if lines else self._home,
                first.head(most) if lines and first is not None else None,
            )

    def _folds(self, depth: Depth) -> Iterable[ApplyFold]:
        for index in sorted(self._foldable[: depth.folds]):
            report, lines = self._reports[index], self._outputs[index]
            if output := lines.tail(depth.plan):
                yield ApplyFold(
                    name=html(report.workspace.name),
                    summary=html(summary_of(lines)) or Markdown("Output"),
                    whole=link(Markdown("the run"), report.run_url),
                    output=output,
                )


def _stopped(report: ApplyReport) -> bool:
    """Whether an apply began, did not succeed, and no later one has ended since."""
    run = report.run
    began = run.apply_status not in (StageStatus.PENDING, StageStatus.QUEUED)
    return began and run.final and run.status is not RunStatus.APPLIED and not report.superseded_by


def _some(words: Iterable[Markdown]) -> Markdown:
    """Return the first few of what mostly is the same for all."""
    return Markdown("; ".join(list(dict.fromkeys(words))[:_MOST_APART]))


def _commands(reports: Sequence[ApplyReport]) -> Markdown:
    lines = "\n".join(one_line(each.again) for each in reports)
    return fence(lines) if lines else Markdown("")


def _row(report: ApplyReport, state: SectionState) -> ApplyRow:
    words = phrase(report.headline, 120) or plain(lifecycle.LABELS[report.run.status])
    later = f"~~{words}~~ outdated: see {later_link(report.superseded_by)}" if report.superseded_by else words
    return ApplyRow(
        name=cell(link(plain(report.workspace.name, 90), report.run_url)),
        state=cell(Markdown(f"{state.emoji} {later}")),
        changes=cell(count_signs(report.run.counts)),
    )
