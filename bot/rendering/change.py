"""View model of a change's comment: `templates/comments/change.md`."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from bot.domain.plans.plan import Counts
from bot.domain.reports.report import ChangeReport, WorkspaceSection
from bot.domain.runs import lifecycle
from bot.domain.runs.lifecycle import RunStatus, StageStatus
from bot.rendering.conflicts import ConflictPart, conflict_part
from bot.rendering.delta import DeltaPart, delta_part
from bot.rendering.escape import Markdown, cell, code, html, link, phrase, plain
from bot.rendering.fit import Depth
from bot.rendering.hints import Hint, hints
from bot.rendering.order import order_words
from bot.rendering.plan_details import Detail, details, warning_lines
from bot.rendering.plan_text import Excerpt, error_lines, plan_lines
from bot.rendering.policies import PolicyPart, most_failed, policy_part
from bot.rendering.resources import (
    MOST_RESOURCES,
    Group,
    gone_of,
    gone_resource,
    resource_groups,
    shortened,
    warning_words,
)
from bot.rendering.section_states import RANKS, SectionState, count_signs, count_words, section_state, tally

MOST_ERROR = 20_000
_MOST_WARNED = 5
_LEAST_NAMES = 25


@dataclass(frozen=True)
class Row:
    """A workspace's line in the table."""

    name: Markdown
    state: Markdown
    changes: Markdown
    next: Markdown


@dataclass(frozen=True)
class Gone:
    """The objects of a workspace that would be destroyed or replaced."""

    name: Markdown
    resources: Markdown


@dataclass(frozen=True)
class Fold:
    """A workspace's folded part. `plan` is None if there is none, or (`cut`) no room for it."""

    name: Markdown
    summary: Markdown
    whole: Markdown
    groups: tuple[Group, ...]
    plan: Excerpt | None
    cut: bool


@dataclass(frozen=True)
class Failure:
    """An error, shown open, and the workspaces that failed with it. No `error`: there is no room for it."""

    names: Markdown
    whole: Markdown
    error: Excerpt | None


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
    details: tuple[Detail, ...]
    sha: Markdown
    home: Markdown


class ChangeView:
    """Prepares a report once, and gives its context at any depth."""

    def __init__(self, report: ChangeReport, home: str, limit: int) -> None:
        self._sections = report.sections
        self._merging = phrase(report.merging, 600)
        self._edited = phrase(report.edited, 300)
        self._conflict = conflict_part(report)
        self._order_words = order_words(report.sections)
        self._top = code(report.top, 120) if report.top else Markdown("")
        self._sha = code(report.sha[:7])
        self._home = link(Markdown("all runs"), report.url or home)
        self._plans = [plan_lines(section.plan_text, limit) for section in report.sections]
        self._warnings = [warning_lines(section) for section in report.sections]
        self._errors = [
            error_lines(whole_error(section.run.error, section.errors), MOST_ERROR)
            for section in report.sections
        ]
        self._states = [section_state(section) for section in report.sections]
        self._gone = [gone_of(section) for section in report.sections]
        self._order = sorted(
            range(len(self._states)), key=lambda index: (RANKS[self._states[index]], not self._gone[index])
        )
        self._rows = [_row(section) for section in report.sections]
        self._groups = [resource_groups(section.resources) for section in report.sections]
        # The plans that matter most come first: those that destroy, then as many as fit.
        foldable = [index for index in self._order if self._is_foldable(index)]
        self._by_weight = sorted(foldable, key=lambda index: (not self._gone[index], self._plans[index].size))

    @property
    def full(self) -> Depth:
        """The depth at which everything is shown."""
        return Depth(
            plan=max((lines.size for lines in (*self._plans, *self._warnings)), default=0),
            resources=MOST_RESOURCES,
            error=MOST_ERROR * 2,
            rows=len(self._sections),
            warned=_MOST_WARNED,
            policies=most_failed(self._sections),
            folds=len(self._by_weight),
            gone=sum(len(each) for each in self._gone),
        )

    def whole(self, depth: Depth) -> tuple[str, ...]:
        """Return the ids of the runs whose plans are shown whole at a depth."""
        shown = self._by_weight[: depth.folds]
        return tuple(self._sections[index].run.id for index in shown if self._is_whole(index, depth))

    def context(self, depth: Depth) -> ChangeContext:
        """Return the view model for a depth."""
        # A short table keeps what matters most; a whole one keeps the report's order.
        shown = sorted(self._order[: depth.rows])
        left = [self._states[index] for index in self._order[depth.rows :]]
        lists, more_gone = self._gone_lists(depth)
        return ChangeContext(
            emoji=self._states[self._order[0]].emoji,
            title=tally(self._states),
            warning=warning_words(self._sections, self._gone, depth.warned),
            gone=lists,
            gone_title=Markdown(f"All {sum(map(len, self._gone))} objects to destroy or replace"),
            more_gone=more_gone,
            rows=tuple(self._rows[index] for index in shown),
            more_rows=tally(left) if left else Markdown(""),
            deltas=tuple(
                delta_part(self._sections[index], depth.resources)
                for index in shown
                if self._sections[index].run.delta and self._sections[index].run.awaits_confirmation
            ),
            notes=tuple(
                (plain(self._sections[index].workspace.name), words)
                for index in shown
                for words in _notes(self._sections[index], depth.warned)
            ),
            failures=tuple(self._failures(depth.error, depth.rows)),
            policies=tuple(
                part for index in shown if (part := policy_part(self._sections[index], depth.policies))
            ),
            merging=self._merging,
            edited=self._edited,
            conflict=self._conflict,
            order=self._order_words if depth.rows else Markdown(""),
            top=self._top,
            hints=hints(self._sections, frozenset(self.whole(depth)), self._home, depth.warned),
            folds=tuple(self._folds(depth)),
            details=tuple(
                detail
                for index in shown
                for detail in details(
                    self._sections[index], self._warnings[index], depth.resources, depth.plan
                )
            ),
            sha=self._sha,
            home=self._home,
        )

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

    def _is_foldable(self, index: int) -> bool:
        unplanned = self._sections[index].run.plan_status is StageStatus.ERRORED
        if unplanned or self._states[index] is SectionState.UNCHANGED:
            return False  # its error is shown without a fold, or there is no plan
        return bool(self._groups[index]) or any(self._plans[index].lines)

    def _is_whole(self, index: int, depth: Depth) -> bool:
        lines = self._plans[index]
        if any(lines.lines):
            return lines.is_whole(depth.plan)
        groups = self._shown_groups(index, depth)
        return bool(groups) and not any(group.more for group in groups)

    def _shown_groups(self, index: int, depth: Depth) -> tuple[Group, ...]:
        groups = self._groups[index]
        shown = (shortened(each, depth.gone if each.gone else depth.resources) for each in groups)
        return tuple(group for group in shown if group.resources)

    def _folds(self, depth: Depth) -> Iterable[Fold]:
        for index in sorted(self._by_weight[: depth.folds]):
            section, lines = self._sections[index], self._plans[index]
            groups = self._shown_groups(index, depth)
            plan = lines.head(depth.plan)
            cut = bool(lines.lines) and not plan
            if groups or plan or (cut and depth.resources):
                yield Fold(
                    name=html(section.workspace.name),
                    summary=html(_summary(section)),
                    whole=link(Markdown("see the whole plan"), section.run_url),
                    groups=groups,
                    plan=plan,
                    cut=cut,
                )


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


def _counts(section: WorkspaceSection) -> Counts | None:
    return section.counts if section.counts is not None else section.run.counts


def _summary(section: WorkspaceSection) -> str:
    """Return the counts in words; a replacement counts as one to add and one to destroy, which is noted."""
    replaced = sum({"delete", "create"} <= set(each.actions) for each in section.resources)
    also = f" ({replaced} of them replaced)" if replaced else ""
    named = f" · plan {section.code}" if section.code else ""
    return f"{count_words(_counts(section))}{also}{named}"


def _row(section: WorkspaceSection) -> Row:
    state = phrase(section.headline, 120) or plain(lifecycle.LABELS[section.run.status])
    return Row(
        name=cell(link(plain(section.workspace.name, 90), section.run_url)),
        state=cell(Markdown(f"{section_state(section).emoji} {state}")),
        changes=cell(_changes(section)),
        next=cell(_step(section.next_step)),
    )


def _changes(section: WorkspaceSection) -> Markdown:
    return (
        Markdown("none")
        if section_state(section) is SectionState.UNCHANGED
        else count_signs(_counts(section))
    )


def _step(text: str) -> Markdown:
    return code(text) if text.startswith("/") else phrase(text)
