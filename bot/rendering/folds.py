"""The plans in a change's comment: a fold for each workspace, or for all whose plans are the same."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from bot.domain.plans.plan import ResourceChange
from bot.domain.reports.report import WorkspaceSection
from bot.domain.runs.lifecycle import StageStatus
from bot.domain.workspaces.workspace import EngineKind
from bot.rendering.alike import Members, named_with_directories, summary_names
from bot.rendering.escape import Markdown, code, html, link, plain
from bot.rendering.fit import Depth
from bot.rendering.plan_details import Detail, detail_words, details, warning_lines
from bot.rendering.plan_text import Excerpt, Lines, plan_lines
from bot.rendering.resources import Group, resource_groups, shortened
from bot.rendering.rows import FEW, counts_of
from bot.rendering.section_states import SectionState, count_words, section_state

# A plan of so many lines is open, while all open ones together have no more than the second number.
_SHORT = 30
_SHORT_IN_ALL = 60


@dataclass(frozen=True)
class Fold:
    """A plan, open or folded. `plan` is None if there is none, or (`cut`) no room for it.

    `about` says where it is of; `alone` are the commands that apply one plan of those that are the same.
    """

    names: Markdown
    summary: Markdown
    open: bool
    about: Markdown
    alone: Markdown
    whole: Markdown
    groups: tuple[Group, ...]
    plan: Excerpt | None
    cut: bool
    details: tuple[Detail, ...]

    @property
    def length(self) -> int:
        """About how many lines it has when it is open."""
        texts = [each.text for each in (self.plan, *(detail.text for detail in self.details)) if each]
        items = sum(len(each.resources) + 2 for each in self.groups)
        return items + sum(text.count("\n") for text in texts) + sum(len(d.items) for d in self.details)


@dataclass(frozen=True)
class _Part:
    """What is prepared once for the workspaces of one fold."""

    members: Members
    section: WorkspaceSection
    lines: Lines
    groups: tuple[Group, ...]
    warnings: Lines
    planned: bool
    weight: tuple[bool, bool, int]


class PlanFolds:
    """Prepares the plans once, and gives their folds at any depth."""

    def __init__(
        self,
        sections: Sequence[WorkspaceSection],
        groups: Sequence[Members],
        gone: Sequence[Sequence[ResourceChange]],
        limit: int,
    ) -> None:
        self._sections = sections
        made = (_part(sections, members, bool(gone[members[0]]), limit) for members in groups)
        self._parts = [part for part in made if part is not None]
        # The plans that matter most come first: those that destroy, then as many as fit.
        self._by_weight = sorted(range(len(self._parts)), key=lambda index: self._parts[index].weight)

    @property
    def number(self) -> int:
        """How many folds there are."""
        return len(self._parts)

    @property
    def size(self) -> int:
        """How many characters the longest text in them has."""
        return max((max(part.lines.size, part.warnings.size) for part in self._parts), default=0)

    def whole(self, depth: Depth) -> tuple[str, ...]:
        """Return the ids of the runs whose plans are shown whole: those of each named member of a group."""
        shown = (self._parts[index] for index in self._by_weight[: depth.folds])
        return tuple(
            self._sections[member].run.id
            for part in shown
            if part.planned and _is_whole(part, depth)
            for member in part.members[: max(1, depth.names)]
        )

    def with_commands(self, depth: Depth) -> frozenset[Members]:
        """Return the groups of many whose commands stand beside their plan at a depth."""
        shown = (self._parts[index].members for index in self._by_weight[: depth.folds])
        return frozenset(each for each in shown if len(each) > FEW and depth.resources)

    def shown(self, depth: Depth, *, named: bool) -> tuple[Fold, ...]:
        """Return the folds in the table's order; the first short plans are open.

        `named` says that everything to destroy or replace is named above the plans.
        """
        left, found = _SHORT_IN_ALL, []
        for index in sorted(self._by_weight[: depth.folds]):
            if (fold := self._fold(self._parts[index], depth)) is None:
                continue
            brief = _brief(fold, named=named)
            if not fold.cut and brief.length <= min(_SHORT, left):
                fold = replace(brief, open=True)
                left -= fold.length
            found.append(fold)
        return tuple(found)

    def _fold(self, part: _Part, depth: Depth) -> Fold | None:
        section = part.section
        groups = _shown_groups(part, depth)
        plan = part.lines.head(depth.plan)
        cut = bool(part.lines.lines) and not plan
        found = tuple(details(section, part.warnings, depth.resources, depth.plan))
        if not (groups or plan or found or (cut and depth.resources)):
            return None
        return Fold(
            names=summary_names(self._sections, part.members, depth.names),
            summary=html(_summary(part), 300),
            open=False,
            about=self._about(part, depth.names) if depth.resources else Markdown(""),
            alone=self._alone(part, depth.names) if depth.resources else Markdown(""),
            whole=link(Markdown("see the whole plan"), section.run_url),
            groups=groups,
            plan=plan,
            cut=cut,
            details=found,
        )

    def _about(self, part: _Part, most: int) -> Markdown:
        """Say of which directory and version a plan is, and of a group whose plan it is."""
        section = part.section
        engine = "OpenTofu" if section.workspace.engine is EngineKind.TOFU else "Terraform"
        version = f"{engine} {plain(section.run.engine_version, 40)}" if section.run.engine_version else ""
        where = Markdown(" · ".join(filter(None, (code(section.workspace.working_directory, 120), version))))
        if len(part.members) == 1:
            return Markdown(f"<sub>{where}</sub>") if where else where
        others = named_with_directories(self._sections, part.members[1:], most - 1)
        # Promise 1: a name can be a value that matters, so it is said what stands in its place.
        own = f"{'' if len(part.members) == 2 else 'each '}with its own name and directory"
        return Markdown(
            f"<sub>The plan of **{plain(section.workspace.name, 90)}**{f' ({where})' if where else ''}. "
            f"It is the same for {others}, {own} in place of these. "
            "Values that stay as they are were not compared.</sub>"
        )

    def _alone(self, part: _Part, most: int) -> Markdown:
        steps = [self._sections[each].next_step for each in part.members[: max(1, most)]]
        if len(part.members) <= FEW or not steps[0].startswith("/"):
            return Markdown("")
        return Markdown(f"For one of them: {', '.join(code(step, 1000) for step in steps)}")


def _brief(fold: Fold, *, named: bool) -> Fold:
    """Return a fold without lists of the resources that people see in the plan, and above it."""
    if fold.plan is None or fold.plan.more:
        return fold
    return replace(fold, groups=tuple(each for each in fold.groups if each.gone and not named))


def _part(sections: Sequence[WorkspaceSection], members: Members, gone: bool, limit: int) -> _Part | None:
    section = sections[members[0]]
    unchanged = section_state(section) is SectionState.UNCHANGED
    planned = section.run.plan_status is not StageStatus.ERRORED and not unchanged
    lines = plan_lines(section.plan_text if planned else "", limit)
    groups = resource_groups(section.resources) if planned else ()
    warnings = warning_lines(section)
    if not (groups or any(lines.lines) or any(warnings.lines) or section.at_apply or section.drift):
        return None
    weight = (not gone, not planned, lines.size)
    return _Part(members, section, lines, groups, warnings, planned, weight)


def _is_whole(part: _Part, depth: Depth) -> bool:
    if any(part.lines.lines):
        return part.lines.is_whole(depth.plan)
    groups = _shown_groups(part, depth)
    return bool(groups) and not any(group.more for group in groups)


def _shown_groups(part: _Part, depth: Depth) -> tuple[Group, ...]:
    shown = (shortened(each, depth.gone if each.gone else depth.resources) for each in part.groups)
    return tuple(group for group in shown if group.resources)


def _summary(part: _Part) -> str:
    """Return the counts in words; a replacement counts as one to add and one to destroy, which is noted."""
    return " · ".join(_summary_parts(part))


def _summary_parts(part: _Part) -> Iterable[str]:
    section = part.section
    if part.planned:
        same = "the same " if len(part.members) > 1 else ""
        replaced = sum({"delete", "create"} <= set(each.actions) for each in section.resources)
        also = f" ({replaced} of them replaced)" if replaced else ""
        yield f"{same}{count_words(counts_of(section))}{also}"
        if section.code and len(part.members) == 1:
            yield f"plan {section.code}"
    else:
        state = section_state(section)
        yield "no changes" if state is SectionState.UNCHANGED else state.words
    yield from detail_words(section, part.warnings)
