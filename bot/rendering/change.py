"""What a change's comment shows of a report: the typed context of `templates/comments/change.md`."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from bot.domain import lifecycle
from bot.domain.lifecycle import RunStatus, StageStatus
from bot.domain.plan import Counts, ResourceChange
from bot.domain.report import ChangeReport, Section
from bot.rendering.asides import Aside, asides, warning_lines
from bot.rendering.delta import DeltaPart, delta_part
from bot.rendering.moods import RANKS, Mood, count_signs, count_words, mood, tally
from bot.rendering.neutral import Markdown, cell, code, fence, html, link, one_line, phrase, plain
from bot.rendering.plan_text import Excerpt, error_lines, plan_lines
from bot.rendering.policies import PolicyPart, most_failed, policy_part
from bot.rendering.shrinking import Depth

MOST_ERROR = 4000
_MOST_RESOURCES = 25
_MOST_WARNED = 5
_ADDRESS = 160
_MOST_HINTS = 3
_OTHERS = (
    ("/override", "To override the failed policies for this run, with your reason"),
    ("/plan", "To plan again"),
)


# Where what the plan would do is still to come, so that a warning is of use.
_AHEAD = (Mood.READY, Mood.CHANGES, Mood.POLICY, Mood.APPLYING)

_GROUPS: tuple[tuple[str, Callable[[ResourceChange], bool]], ...] = (
    ("To destroy", lambda r: r.actions == ("delete",)),
    ("To replace", lambda r: "delete" in r.actions and "create" in r.actions),
    ("To add", lambda r: r.actions == ("create",)),
    ("To change", lambda r: r.actions == ("update",)),
    ("To forget, without destroying it", lambda r: "forget" in r.actions),
    ("To import or move", lambda _: True),
)


@dataclass(frozen=True)
class Row:
    """A workspace's line in the table."""

    name: Markdown
    state: Markdown
    changes: Markdown
    next: Markdown


@dataclass(frozen=True)
class Group:
    """The resources that meet one fate, and how many of them are not shown."""

    title: Markdown
    resources: tuple[Markdown, ...]
    more: int


@dataclass(frozen=True)
class Fold:
    """A workspace's folded part. `plan` is None where there is none, or (`cut`) no room for it."""

    name: Markdown
    summary: Markdown
    whole: Markdown
    groups: tuple[Group, ...]
    plan: Excerpt | None
    cut: bool


@dataclass(frozen=True)
class Failure:
    """A workspace's error, shown open."""

    name: Markdown
    whole: Markdown
    error: Excerpt


@dataclass(frozen=True)
class Hint:
    """Commands that do one thing, ready to copy."""

    what: Markdown
    commands: tuple[Markdown, ...]


@dataclass(frozen=True)
class ChangeContext:
    """Everything that the template sees."""

    emoji: Markdown
    title: Markdown
    warning: Markdown
    rows: tuple[Row, ...]
    more_rows: Markdown
    deltas: tuple[DeltaPart, ...]
    notes: tuple[tuple[Markdown, Markdown], ...]
    failures: tuple[Failure, ...]
    policies: tuple[PolicyPart, ...]
    merging: Markdown
    hints: tuple[Hint, ...]
    folds: tuple[Fold, ...]
    asides: tuple[Aside, ...]
    sha: Markdown
    home: Markdown


class ChangeView:
    """Prepares a report once, and gives its context at any depth."""

    def __init__(self, report: ChangeReport, home: str, limit: int) -> None:
        self._sections = report.sections
        self._merging = phrase(report.merging, 600)
        self._sha = code(report.sha[:7])
        self._home = link(Markdown("all runs"), report.url or home)
        self._plans = [plan_lines(section.plan_text, limit) for section in report.sections]
        self._warnings = [warning_lines(section) for section in report.sections]
        self._errors = [error_lines(section.run.error, MOST_ERROR) for section in report.sections]
        self._moods = [mood(section) for section in report.sections]
        self._order = sorted(range(len(self._moods)), key=lambda index: RANKS[self._moods[index]])
        self._rows = [_row(section) for section in report.sections]
        self._groups = [_groups(section.resources) for section in report.sections]

    @property
    def full(self) -> Depth:
        """The depth at which everything is shown."""
        return Depth(
            plan=max((lines.size for lines in (*self._plans, *self._warnings)), default=0),
            resources=_MOST_RESOURCES,
            error=MOST_ERROR * 2,
            rows=len(self._sections),
            warned=_MOST_WARNED,
            policies=most_failed(self._sections),
        )

    def context(self, depth: Depth) -> ChangeContext:
        """Return what the template shows at a depth."""
        # A short table keeps what matters most; a whole one keeps the report's order.
        shown = sorted(self._order[: depth.rows])
        left = [self._moods[index] for index in self._order[depth.rows :]]
        return ChangeContext(
            emoji=self._moods[self._order[0]].emoji,
            title=tally(self._moods),
            warning=_warning(self._sections, depth.warned),
            rows=tuple(self._rows[index] for index in shown),
            more_rows=tally(left) if left else Markdown(""),
            deltas=tuple(
                delta_part(self._sections[index], depth.resources)
                for index in shown
                if self._sections[index].run.delta and self._sections[index].run.awaits_confirmation
            ),
            notes=tuple(
                (plain(self._sections[index].workspace.name), phrase(words, 400))
                for index in shown
                for words in self._sections[index].notes[: depth.warned]
            ),
            failures=tuple(self._failures(shown, depth.error)),
            policies=tuple(
                part for index in shown if (part := policy_part(self._sections[index], depth.policies))
            ),
            merging=self._merging,
            hints=_hints(self._sections, min(depth.warned, _MOST_HINTS)),
            folds=tuple(self._folds(shown, depth)),
            asides=tuple(
                aside
                for index in shown
                for aside in asides(self._sections[index], self._warnings[index], depth.resources, depth.plan)
            ),
            sha=self._sha,
            home=self._home,
        )

    def _failures(self, shown: list[int], most: int) -> Iterable[Failure]:
        for index in shown:
            section, error = self._sections[index], self._errors[index].head(most)
            if section.run.status is RunStatus.ERRORED and error and not _told_by_policies(section):
                label = Markdown("whole output")
                yield Failure(plain(section.workspace.name), link(label, section.run_url), error)

    def _folds(self, shown: list[int], depth: Depth) -> Iterable[Fold]:
        for index in shown:
            section = self._sections[index]
            if section.run.plan_status is StageStatus.ERRORED:
                continue  # its error is shown open, and there is no plan
            groups = tuple(_shortened(group, depth.resources) for group in self._groups[index])
            groups = groups if depth.resources else ()
            lines = self._plans[index]
            plan = lines.head(depth.plan)
            cut = bool(lines.lines) and not plan
            if self._moods[index] is not Mood.UNCHANGED and (groups or plan or (cut and depth.resources)):
                yield Fold(
                    name=html(section.workspace.name),
                    summary=html(_summary(section)),
                    whole=link(Markdown("see the whole plan"), section.run_url),
                    groups=groups,
                    plan=plan,
                    cut=cut,
                )


def _told_by_policies(section: Section) -> bool:
    """Whether the table of its policies says why it failed."""
    stages = (section.run.plan_status, section.run.apply_status)
    return StageStatus.ERRORED not in stages and any(check.stands for check in section.policies)


def _counts(section: Section) -> Counts | None:
    return section.counts if section.counts is not None else section.run.counts


def _summary(section: Section) -> str:
    """Say the counts; Terraform counts a replacement as one to add and one to destroy, which is said too."""
    replaced = sum({"delete", "create"} <= set(each.actions) for each in section.resources)
    also = f" ({replaced} of them replaced)" if replaced else ""
    return f"{count_words(_counts(section))}{also}"


def _row(section: Section) -> Row:
    state = phrase(section.headline, 120) or plain(lifecycle.LABELS[section.run.status])
    return Row(
        name=cell(link(plain(section.workspace.name, 90), section.run_url)),
        state=cell(Markdown(f"{mood(section).emoji} {state}")),
        changes=cell(_changes(section)),
        next=cell(_step(section.next_step)),
    )


def _changes(section: Section) -> Markdown:
    return Markdown("none") if mood(section) is Mood.UNCHANGED else count_signs(_counts(section))


def _step(text: str) -> Markdown:
    return code(text) if text.startswith("/") else phrase(text)


def _hints(sections: tuple[Section, ...], most: int) -> tuple[Hint, ...]:
    """Return what may be said next, each command in a fence of its own, which forges let you copy.

    One command applies all that is ready; of the others as many as there is room for.
    """
    steps = [section.next_step for section in sections if section.next_step.startswith("/")]
    ready = [step for step in steps if step.startswith("/apply")]
    found = []
    if ready:
        command = fence(one_line(ready[0]) if len(sections) == 1 else "/apply")
        found.append(Hint(Markdown("To apply what is shown here"), (command,)))
    for verb, what in _OTHERS:
        commands = tuple(fence(one_line(step)) for step in steps if step.startswith(f"{verb} "))[:most]
        if commands:
            found.append(Hint(Markdown(what), commands))
    return tuple(found)


def _warning(sections: tuple[Section, ...], most: int) -> Markdown:
    """Name what would be lost; only the first few, for a warning that fills a page is not read."""
    gone: list[Markdown] = []
    destroyed = replaced = 0
    for section in sections:
        if mood(section) not in _AHEAD:
            continue
        where = f" in {plain(section.workspace.name)}" if len(sections) > 1 else ""
        for resource in section.resources:
            if "delete" in resource.actions:
                again = "create" in resource.actions
                replaced, destroyed = replaced + again, destroyed + (not again)
                if len(gone) < most:
                    note = " (replaced)" if again else ""
                    gone.append(Markdown(f"{code(resource.address, _ADDRESS)}{note}{where}"))
    parts = [
        f"{number} to {verb}" for number, verb in ((destroyed, "destroy"), (replaced, "replace")) if number
    ]
    if not parts:
        return Markdown("")
    more = destroyed + replaced - len(gone)
    names = ", ".join(gone) + (f" and {more} more" if more and gone else "")
    return Markdown(f"**{' and '.join(parts)}**" + (f": {names}" if names else ""))


def _groups(resources: tuple[ResourceChange, ...]) -> tuple[Group, ...]:
    groups, rest = [], list(resources)
    for title, belongs in _GROUPS:
        found = [resource for resource in rest if belongs(resource)]
        rest = [resource for resource in rest if not belongs(resource)]
        if found:
            shown = tuple(_resource(resource) for resource in found[:_MOST_RESOURCES])
            groups.append(Group(Markdown(title), shown, len(found) - len(shown)))
    return tuple(groups)


def _shortened(group: Group, most: int) -> Group:
    shown = group.resources[:most]
    return replace(group, resources=shown, more=group.more + len(group.resources) - len(shown))


def _resource(resource: ResourceChange) -> Markdown:
    moved = f" from {code(resource.previous_address, _ADDRESS)}" if resource.previous_address else ""
    imported = " (imported)" if resource.importing else ""
    return Markdown(f"{code(resource.address, _ADDRESS) or plain('(no address)')}{moved}{imported}")
