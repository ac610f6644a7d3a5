"""The next commands in a comment: one to copy, the others in sentences.

`/apply` is offered only for plans that the comment shows whole.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bot.domain.reports.report import WorkspaceSection
from bot.rendering.escape import Markdown, code, fence, link, one_line, plain

_MOST_HINTS = 3
# Characters of a command: one that is cut is none.
_LONGEST = 1000
_NOTHING = Markdown("")
_OVERRIDE = "To override the failed policies for this run, with your reason"


@dataclass(frozen=True)
class Hint:
    """What commands do: `block` is ready to copy, `inline` are part of the sentence."""

    what: Markdown
    block: Markdown
    inline: Markdown


def hints(
    sections: Sequence[WorkspaceSection], whole: frozenset[str], home: Markdown, most: int
) -> tuple[Hint, ...]:
    """Return the next possible commands. The first one has the only code block, which forges let people copy.

    `whole` are the runs whose plans are shown whole: one command applies them all. Plans that did not fit
    have to be named. The table has all other commands.
    """
    ready = [section for section in sections if section.next_step.startswith("/apply")]
    hidden = [section for section in ready if section.run.id not in whole]
    # One that is applied after a hidden one can't be applied by a command for those that are shown.
    named = frozenset(section.workspace.name for section in hidden)
    shown = [s for s in ready if s.run.id in whole and named.isdisjoint(s.next_step.split())]
    found: list[tuple[str, list[str], str]] = []
    if shown:
        by_code = any("plan_code" in section.workspace.require for section in sections)
        exact = len(sections) == 1 or by_code
        commands = _steps(shown) if exact else ["/apply"]
        what = _of_the_shown(shown) if hidden else _ALL
        found.append((what, commands, _after_approval(shown)))
    if hidden:
        number = max(1, 2 * most)
        left_out = len(hidden) - number
        more = f"; {left_out} more are in {home}" if left_out > 0 else ""
        what = _of_the_hidden(hidden, more, _after_approval(hidden))
        found.append((what, _steps(hidden[:number]), ""))
    overrides = [section.next_step for section in sections if section.next_step.startswith("/override ")]
    if commands := overrides[: min(most, _MOST_HINTS)]:
        found.append((_OVERRIDE, commands, ""))
    return tuple(
        _hint(f"{what}{after}, comment", commands, block=number == 0)
        for number, (what, commands, after) in enumerate(found)
    )


_ALL = "To apply the plans of this comment"


def _steps(sections: Sequence[WorkspaceSection]) -> list[str]:
    steps = list(dict.fromkeys(section.next_step for section in sections))
    # A command that applies in order names what comes first: that needs no command of its own.
    words = [frozenset(step.split()) for step in steps]
    return [step for step, mine in zip(steps, words, strict=True) if not any(mine < each for each in words)]


def _hint(what: str, commands: Sequence[str], *, block: bool) -> Hint:
    if block:
        return Hint(Markdown(what), fence("\n".join(one_line(each, _LONGEST) for each in commands)), _NOTHING)
    return Hint(Markdown(what), _NOTHING, Markdown(", ".join(code(each, _LONGEST) for each in commands)))


def _after_approval(sections: Sequence[WorkspaceSection]) -> str:
    """Say that people have to approve the change first, and for which workspaces if not for all."""
    waiting = [section for section in sections if section.unapproved]
    if not waiting:
        return ""
    if len(waiting) == len(sections):
        return " once the change is approved"
    first = ", ".join(f"**{plain(each.workspace.name, 90)}**" for each in waiting[:_MOST_HINTS])
    more = len(waiting) - _MOST_HINTS
    return f" ({first}{f' and {more} more' if more > 0 else ''}: once the change is approved)"


def _of_the_shown(sections: Sequence[WorkspaceSection]) -> str:
    names = ", ".join(f"**{plain(section.workspace.name, 90)}**" for section in sections)
    plans = "the plan that is" if len(sections) == 1 else f"the {len(sections)} plans that are"
    return f"To apply {plans} shown here whole, of {names}"


def _of_the_hidden(sections: Sequence[WorkspaceSection], more: str, after: str) -> str:
    if len(sections) == 1:
        [section] = sections
        name = plain(section.workspace.name, 90)
        page = link(Markdown("its page"), section.run_url)
        return f"The plan of **{name}** does not fit here. Look at it on {page}. To apply it{after}"
    return (
        f"{len(sections)} plans do not fit here, and `/apply` does not cover them. Look at them on the "
        f"pages of their runs. To apply one{after}, name it{more}"
    )
