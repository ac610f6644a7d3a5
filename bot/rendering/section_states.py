"""What a run means to whoever reads the comment: one sign, and a few words for the title."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from enum import Enum

from bot.domain import lifecycle
from bot.domain.lifecycle import RunStatus
from bot.domain.plan import Counts
from bot.domain.report import Section
from bot.domain.run import Run
from bot.rendering.neutral import Markdown, code


class Mood(Enum):
    """What a reader has to know of a workspace at a glance; the order is the order of their worth."""

    FAILED = ("❌", "failed")
    POLICY = ("🟠", "stopped by policies")
    APPLYING = ("🔄", "applying")
    PLANNING = ("🔄", "planning")
    QUEUED = ("⏳", "queued")
    READY = ("🟡", "ready to apply")
    CHANGES = ("🟡", "with changes")
    APPLIED = ("✅", "applied")
    UNCHANGED = ("✅", "without changes")
    CANCELED = ("⚪", "canceled")
    DISCARDED = ("⚪", "discarded")

    @property
    def emoji(self) -> Markdown:
        """The sign before the state."""
        return Markdown(self.value[0])

    @property
    def words(self) -> str:
        """The state in the title."""
        return str(self.value[1])


RANKS = {each: rank for rank, each in enumerate(Mood)}
_MOODS = {
    RunStatus.PENDING: Mood.QUEUED,
    RunStatus.POLICY_OVERRIDE: Mood.POLICY,
    RunStatus.POLICY_SOFT_FAILED: Mood.POLICY,
    RunStatus.APPLIED: Mood.APPLIED,
    RunStatus.DISCARDED: Mood.DISCARDED,
    RunStatus.ERRORED: Mood.FAILED,
    RunStatus.CANCELED: Mood.CANCELED,
    **dict.fromkeys(lifecycle.PLAN_STAGES, Mood.PLANNING),
    **dict.fromkeys(lifecycle.APPLY_STAGES, Mood.APPLYING),
}


def mood(section: Section) -> Mood:
    """Return what a section's run means to the reader."""
    run = section.run
    if known := _MOODS.get(run.status):
        return known
    if not _has_changes(run):
        return Mood.UNCHANGED
    return Mood.READY if section.next_step.startswith("/apply") else Mood.CHANGES


def tally(moods: Iterable[Mood]) -> Markdown:
    """Say in a line how many workspaces are in each mood, the most important first."""
    counts = Counter(moods)
    parts = [f"{counts[each]} {each.words}" for each in Mood if counts[each]]
    number, _, words = parts[0].partition(" ")
    noun = "workspace" if number == "1" else "workspaces"
    return Markdown(", ".join([f"{number} {noun} {words}", *parts[1:]]))


def count_words(counts: Counts | None) -> str:
    """Say the counts as Terraform does, without those that are zero."""
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
