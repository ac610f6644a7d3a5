"""The table of a change's comment: what needs attention comes first, and what does not change is a line."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from bot.domain.changes.requirements import Requirement
from bot.domain.changes.reviews import asked_words
from bot.domain.plans.plan import Counts
from bot.domain.reports.report import WorkspaceSection
from bot.domain.runs import lifecycle
from bot.rendering.alike import Members, linked, names
from bot.rendering.escape import Markdown, cell, code, phrase, plain
from bot.rendering.section_states import SectionState, count_signs, section_state

# So many commands of one group stand in the table. More stand beside the plan.
FEW = 3


@dataclass(frozen=True)
class Row:
    """A line of the table: a workspace, or some that are alike."""

    name: Markdown
    state: Markdown
    changes: Markdown
    next: Markdown


def row(sections: Sequence[WorkspaceSection], members: Members, most: int, *, beside: bool) -> Row:
    """Return the line of a group, with at most so many names.

    `beside` says that the commands of a large group stand beside its plan.
    """
    section = sections[members[0]]
    return Row(
        name=cell(linked(sections, members, most)),
        state=cell(Markdown(f"{section_state(section).emoji} {_words(section)}")),
        changes=cell(_changes(section, len(members))),
        next=cell(_next([sections[each] for each in members], beside=beside)),
    )


def is_idle(section: WorkspaceSection) -> bool:
    """Whether a workspace needs no line of its own: its plan changes nothing, and nothing is to be done."""
    return section_state(section) is SectionState.UNCHANGED and not section.next_step


def idle_lines(
    sections: Sequence[WorkspaceSection], idle: Sequence[int], most: int, more: Markdown
) -> Iterable[Markdown]:
    """Yield a line for each way in which nothing changes, with at most so many names in all.

    `more` is where to see the others.
    """
    by_words: dict[Markdown, list[int]] = {}
    for index in idle:
        by_words.setdefault(_words(sections[index]), []).append(index)
    left, unnamed = most, len(idle)
    for words, indexes in by_words.items():
        shown = tuple(indexes[:left])
        if not shown:
            break
        left -= len(shown)
        unnamed -= len(shown)
        last = left <= 0 or unnamed == 0
        others = f" and {unnamed} more, see {more}" if last and unnamed else ""
        emoji = SectionState.UNCHANGED.emoji
        yield Markdown(f"{emoji} {words}: {linked(sections, shown, len(shown))}{others}")


def requirement_words(
    sections: Sequence[WorkspaceSection], groups: Sequence[Members], most: int, asked: Sequence[str] = ()
) -> Markdown:
    """Say what applies require, once for all workspaces that require the same. Empty if nothing.

    It says which of them people have met. Beside the first `approved` that is not met it says who was asked.
    """
    by_words: dict[tuple[tuple[str, ...], tuple[str, ...]], list[int]] = {}
    for members in groups:
        first = sections[members[0]]
        if first.requires:
            by_words.setdefault((first.requires, first.met), []).extend(members)
    number = sum(len(members) for members in groups)
    told = asked_words(asked, lambda name: code(name, 60))
    parts = []
    for (requires, met), indexes in by_words.items():
        words, told = _listed(requires, met, told)
        whose = f" (**{names(sections, tuple(indexes), most)}**)" if len(indexes) < number else ""
        parts.append(f"{words}{whose}")
    return Markdown(f"Requires: {'; '.join(parts)}. Comment `/why` to see what is missing." if parts else "")


def counts_of(section: WorkspaceSection) -> Counts | None:
    """Return how much the plan of a section changes, None if that is not known."""
    return section.counts if section.counts is not None else section.run.counts


def _listed(requires: Sequence[str], met: Sequence[str], asked: str) -> tuple[str, str]:
    """List requirements. Returns with it who was asked, empty if the list says so."""
    found = []
    for each in requires:
        words: str = code(each.replace(":", ": "), 60)
        if each in met:
            words = f"{words} (met)"
        elif asked and each.partition(":")[0] == Requirement.APPROVED:
            words, asked = f"{words} ({asked})", ""
        found.append(words)
    return ", ".join(found), asked


def _words(section: WorkspaceSection) -> Markdown:
    return phrase(section.headline, 120) or plain(lifecycle.LABELS[section.run.status])


def _changes(section: WorkspaceSection, number: int) -> Markdown:
    if section_state(section) is SectionState.UNCHANGED:
        return Markdown("none")
    signs = count_signs(counts_of(section))
    return Markdown(f"{signs} each") if signs and number > 1 else signs


def _next(sections: Sequence[WorkspaceSection], *, beside: bool) -> Markdown:
    steps = list(dict.fromkeys(_step(section.next_step) for section in sections))
    if more := len(steps) - FEW if len(steps) > FEW else 0:
        steps = [*steps[:FEW], Markdown(f"and {more} more")]
    words = "a command each, beside the plan" if more and beside else "<br>".join(steps)
    return Markdown(f"once approved: {words}" if sections[0].unapproved else words)


def _step(text: str) -> Markdown:
    # A command that is cut is none.
    return code(text, 1000) if text.startswith("/") else phrase(text)
