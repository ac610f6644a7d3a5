"""The state of a workspace in a comment: an emoji, and a few words for the title."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from enum import Enum

from bot.domain.plans.plan import Counts, ResourceChange
from bot.domain.reports.report import WorkspaceSection
from bot.domain.runs import lifecycle
from bot.domain.runs.lifecycle import RunStatus
from bot.domain.runs.run import Run
from bot.rendering.escape import Markdown, code


class SectionState(Enum):
    """The state of a workspace at a glance, the most important first."""

    FAILED = ("❌", "failed")
    POLICY = ("🟠", "stopped by policies")
    READY = ("🟡", "ready to apply")
    UNAPPROVED = ("🟡", "waiting for an approval")
    CHANGES = ("🟡", "with changes")
    APPLYING = ("🔄", "applying")
    PLANNING = ("🔄", "planning")
    QUEUED = ("⏳", "queued")
    CANCELED = ("⚪", "canceled")
    DISCARDED = ("⚪", "discarded")
    APPLIED = ("✅", "applied")
    UNCHANGED = ("✅", "without changes")

    @property
    def emoji(self) -> Markdown:
        """The sign before the state."""
        return Markdown(self.value[0])

    @property
    def words(self) -> str:
        """The state in the title."""
        return str(self.value[1])


_TO_APPLY = (SectionState.READY, SectionState.UNAPPROVED, SectionState.CHANGES)
RANKS = {each: rank for rank, each in enumerate(SectionState)}
_STATES = {
    RunStatus.PENDING: SectionState.QUEUED,
    RunStatus.POLICY_OVERRIDE: SectionState.POLICY,
    RunStatus.POLICY_SOFT_FAILED: SectionState.POLICY,
    RunStatus.APPLIED: SectionState.APPLIED,
    RunStatus.DISCARDED: SectionState.DISCARDED,
    RunStatus.ERRORED: SectionState.FAILED,
    RunStatus.CANCELED: SectionState.CANCELED,
    **dict.fromkeys(lifecycle.PLAN_STAGES, SectionState.PLANNING),
    **dict.fromkeys(lifecycle.APPLY_STAGES, SectionState.APPLYING),
}


def section_state(section: WorkspaceSection) -> SectionState:
    """Return the state of a section's run."""
    state = run_state(section.run, ready=section.next_step.startswith("/apply"))
    return SectionState.UNAPPROVED if state is SectionState.READY and section.unapproved else state


def attention(state: SectionState, gone: Sequence[ResourceChange]) -> tuple[int, int]:
    """Return how soon a section needs attention: a smaller number is sooner.

    `gone` are the resources that its plan destroys or replaces: such plans come before other changes.
    """
    rank = RANKS[SectionState.READY] if state in _TO_APPLY else RANKS[state]
    destroys = any("create" not in each.actions for each in gone)
    return rank, 0 if destroys else 1 if gone else 2


def run_state(run: Run, *, ready: bool) -> SectionState:
    """Return the state of a run. `ready`: somebody may apply its plan."""
    if known := _STATES.get(run.status):
        return known
    if not _has_changes(run):
        return SectionState.UNCHANGED
    return SectionState.READY if ready else SectionState.CHANGES


def tally(states: Iterable[SectionState]) -> Markdown:
    """Say in one line how many workspaces are in each state, the most important first."""
    counts = Counter(states)
    parts = [f"{counts[each]} {each.words}" for each in SectionState if counts[each]]
    number, _, words = parts[0].partition(" ")
    noun = "workspace" if number == "1" else "workspaces"
    return Markdown(", ".join([f"{number} {noun} {words}", *parts[1:]]))


def count_words(counts: Counts | None) -> str:
    """Return the counts as Terraform words them, without zeros."""
    if counts is None:
        return "not planned yet"
    named = (
        (counts.imports, "to import"),
        (counts.add, "to add"),
        (counts.change, "to change"),
        (counts.destroy, "to destroy"),
    )
    return ", ".join(f"{number} {words}" for number, words in named if number) or "no resource changes"


def count_signs(counts: Counts | None) -> Markdown:
    """Return the counts with Terraform's signs, as code."""
    if counts is None:
        return Markdown("")
    imports = f" ({counts.imports} imported)" if counts.imports else ""
    return code(f"{counts}{imports}")


def _has_changes(run: Run) -> bool:
    return bool(run.counts) if run.has_changes is None else run.has_changes
