"""View model of a change's comment: `templates/comments/change.md`."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from bot.domain.reports.report import ChangeReport, WorkspaceSection
from bot.domain.runs.lifecycle import RunStatus, StageStatus
from bot.rendering.alike import Members, alike, names
from bot.rendering.conflicts import ConflictPart, conflict_part
from bot.rendering.delta import DeltaPart, delta_part
from bot.rendering.escape import Markdown, code, link, phrase, plain
from bot.rendering.fit import Depth
from bot.rendering.folds import Fold, PlanFolds
from bot.rendering.hints import Hint, hints
from bot.rendering.order import order_words
from bot.rendering.plan_text import Excerpt, error_lines
from bot.rendering.policies import PolicyPart, most_failed, policy_parts
from bot.rendering.resources import MOST_RESOURCES, gone_of, gone_resource, warning_words
from bot.rendering.rows import Row, idle_lines, is_idle, requirement_words, row
from bot.rendering.section_states import attention, section_state, tally

MOST_ERROR = 20_000
_MOST_WARNED = 5
_LEAST_NAMES = 25


@dataclass(frozen=True)
class Gone:
    """The objects of a workspace that would be destroyed or replaced."""

    name: Markdown
    resources: Markdown


@dataclass(frozen=True)
class Failure:
    """An error, shown open, and the workspaces that failed with it. No `error`: there is no room for it."""

    names: Markdown
    whole: Markdown
    error: Excerpt | None


@dataclass(frozen=True)
class Alert:
    """How a quote begins that warns: with the forge's mark of an alert, or with a bold word."""

    warning: Markdown
    caution: Markdown


_ALERTS = Alert(Markdown("[!WARNING]"), Markdown("[!CAUTION]"))
_BOLD = Alert(Markdown("⚠️ **Warning:**"), Markdown("🛑 **Caution:**"))


@dataclass(frozen=True)
class ChangeContext:
    """Everything that the template sees."""

    emoji: Markdown
    title: Markdown
    warning: Markdown
    gone: tuple[Gone, ...]
    gone_title: Markdown
    more_gone: int
    rows: tuple[Row, ...]
    more_rows: Markdown
    idle: tuple[Markdown, ...]
    requires: Markdown
    deltas: tuple[DeltaPart, ...]
    notes: tuple[tuple[Markdown, Markdown], ...]
    failures: tuple[Failure, ...]
    policies: tuple[PolicyPart, ...]
    merging: Markdown
    edited: Markdown
    conflict: ConflictPart | None
    order: Markdown
    top: Markdown
    hints: tuple[Hint, ...]
    folds: tuple[Fold, ...]
    sha: Markdown
    home: Markdown
    mark: Alert


class ChangeView:
    """Prepares a report once, and gives its context at any depth."""

    def __init__(self, report: ChangeReport, home: str, limit: int) -> None:
        self._sections = report.sections
        self._asked = report.asked
        self._merging = phrase(report.merging, 600)
        self._edited = phrase(report.edited, 300)
        self._conflict = conflict_part(report)
        self._order_words = order_words(report.sections)
        self._mark = alert_marks(report)
        self._top = code(report.top, 120) if report.top else Markdown("")
        self._sha = code(report.sha[:7])
        self._home = link(Markdown("all runs"), report.url or home)
        self._errors = [
            error_lines(whole_error(section.run.error, section.errors), MOST_ERROR)
            for section in report.sections
        ]
        self._states = [section_state(section) for section in report.sections]
        self._gone = [gone_of(section) for section in report.sections]
        # What needs attention comes first; what is equally urgent keeps the report's order.
        self._groups = sorted(
            alike(report.sections),
            key=lambda group: attention(self._states[group[0]], self._gone[group[0]]),
        )
        self._tabled = [group for group in self._groups if not is_idle(self._sections[group[0]])]
        self._idle = [each for group in self._groups if group not in self._tabled for each in group]
        self._folds = PlanFolds(report.sections, self._groups, self._gone, limit)

    @property
    def full(self) -> Depth:
        """The depth at which everything is shown."""
        return Depth(
            plan=self._folds.size,
            resources=MOST_RESOURCES,
            error=MOST_ERROR * 2,
            rows=len(self._tabled),
            warned=_MOST_WARNED,
            policies=most_failed(self._sections),
            folds=self._folds.number,
            gone=sum(len(each) for each in self._gone),
            names=len(self._sections),
        )

    def whole(self, depth: Depth) -> tuple[str, ...]:
        """Return the ids of the runs whose plans are shown whole at a depth."""
        return self._folds.whole(depth)

    def context(self, depth: Depth) -> ChangeContext:
        """Return the view model for a depth."""
        shown = self._tabled[: depth.rows]
        lists, more_gone = self._gone_lists(depth)
        beside = self._folds.with_commands(depth)
        return ChangeContext(
            emoji=self._states[self._groups[0][0]].emoji,
            title=tally(self._states),
            warning=warning_words(self._sections, self._gone, depth.warned),
            gone=lists,
            gone_title=Markdown(f"All {sum(map(len, self._gone))} objects to destroy or replace"),
            more_gone=more_gone,
            rows=tuple(row(self._sections, group, depth.names, beside=group in beside) for group in shown),
            more_rows=self._more_rows(depth),
            idle=tuple(idle_lines(self._sections, self._idle, depth.names, self._home)),
            requires=requirement_words(self._sections, shown, depth.names, self._asked),
            deltas=tuple(
                delta_part(self._sections[index], depth.resources)
                for group in shown
                for index in group
                if self._sections[index].run.delta and self._sections[index].run.awaits_confirmation
            ),
            notes=tuple(
                (names(self._sections, group, depth.names), words)
                for group in self._noted(depth)
                for words in _notes(self._sections[group[0]], depth.warned)
            ),
            failures=tuple(self._failures(depth.error, depth.rows)),
            policies=tuple(
                policy_parts(self._sections, self._noted(depth), depth.policies, max(depth.names, 1))
            ),
            merging=self._merging,
            edited=self._edited,
            conflict=self._conflict,
            order=self._order_words if depth.rows else Markdown(""),
            top=self._top,
            hints=hints(self._sections, frozenset(self.whole(depth)), self._home, depth.warned),
            folds=self._folds.shown(depth, named=self._all_named(lists, more_gone, depth)),
            sha=self._sha,
            home=self._home,
            mark=self._mark,
        )

    def _all_named(self, lists: tuple[Gone, ...], more: int, depth: Depth) -> bool:
        """Whether the warning, or the list below it, names everything to destroy or replace."""
        return sum(map(len, self._gone)) <= depth.warned or bool(lists and not more)

    def _noted(self, depth: Depth) -> list[Members]:
        """Return the groups of which more may be said: those of the table, and others if it matters."""
        idle = (self._sections[each] for each in self._idle)
        matters = {each.run.id for each in idle if each.notes or any(not one.passed for one in each.policies)}
        others = [group for group in self._groups if self._sections[group[0]].run.id in matters]
        return [*self._tabled[: depth.rows], *(others if depth.rows else ())]

    def _more_rows(self, depth: Depth) -> Markdown:
        """Count the workspaces that are named nowhere above the plans."""
        left = [self._states[each] for group in self._tabled[depth.rows :] for each in group]
        left += [] if depth.names else [self._states[each] for each in self._idle]
        return tally(left) if left else Markdown("")

    def _failures(self, most: int, rows: int) -> Iterable[Failure]:
        """Yield each error once, with all the workspaces that have it; those without room come last."""
        by_error: dict[tuple[str, ...], list[int]] = {}
        for index, section in enumerate(self._sections):
            error = self._errors[index]
            if (
                section.run.status is RunStatus.ERRORED
                and any(error.lines)
                and not _told_by_policies(section)
            ):
                by_error.setdefault(error.lines if error.head(most) else (), []).append(index)
        for lines, indexes in sorted(by_error.items(), key=lambda each: not each[0]):
            listed = indexes if rows >= _LEAST_NAMES else indexes[: rows + _LEAST_NAMES]
            names = ", ".join(plain(self._sections[each].workspace.name, 90) for each in listed)
            more = len(indexes) - len(listed)
            url = self._sections[indexes[0]].run_url
            whole = link(Markdown("whole output"), url) if lines else self._home
            names = Markdown(names + (f" and {more} more" if more else ""))
            yield Failure(names, whole, self._errors[indexes[0]].head(most) if lines else None)

    def _gone_lists(self, depth: Depth) -> tuple[tuple[Gone, ...], int]:
        """List all objects to destroy or replace if the warning does not name them all."""
        total = sum(map(len, self._gone))
        alone = len(self._sections) == 1 and depth.folds
        if total <= depth.warned or alone or not depth.gone:
            return (), 0
        lists, left = [], depth.gone
        for index, found in enumerate(self._gone):
            if named := found[:left]:
                left -= len(named)
                name = plain(self._sections[index].workspace.name, 90)
                lists.append(Gone(name, Markdown(", ".join(map(gone_resource, named)))))
        return tuple(lists), total - (depth.gone - left)


def alert_marks(report: ChangeReport) -> Alert:
    """Return the marks that the change's forge renders."""
    return _ALERTS if report.alerts else _BOLD


def _notes(section: WorkspaceSection, most: int) -> list[Markdown]:
    notes = [phrase(words, 400) for words in section.notes[:most]]
    more = len(section.notes) - len(notes)
    if more > 0 and notes:
        notes.append(Markdown(f"{more} more notes, see {link(Markdown('the run'), section.run_url)}"))
    return notes


def whole_error(error: str, told: str) -> str:
    """Return why a run failed: what Terraform told of it, and first what we found ourselves."""
    if not told or error.startswith("Error: "):
        return told or error
    return f"{error}\n\n{told}"


def _told_by_policies(section: WorkspaceSection) -> bool:
    """Whether the table of policies explains why it failed."""
    stages = (section.run.plan_status, section.run.apply_status)
    return StageStatus.ERRORED not in stages and any(check.stands for check in section.policies)
