"""The next commands in a comment. `/apply` is offered only for plans that the comment shows whole."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bot.domain.reports.report import WorkspaceSection
from bot.rendering.escape import Markdown, fence, link, one_line, plain

_MOST_HINTS = 3
_OTHERS = (
    ("/override", "To override the failed policies for this run, with your reason"),
    ("/retry", "To go on with what is left. It is asked for again only if the plan is anything else"),
    ("/plan", "To plan again"),
)


@dataclass(frozen=True)
class Hint:
    """Commands that do one thing, ready to copy."""

    what: Markdown
    commands: tuple[Markdown, ...]


def hints(
    sections: Sequence[WorkspaceSection], whole: frozenset[str], home: Markdown, most: int
) -> tuple[Hint, ...]:
    """Return the next possible commands, each in its own code block, which forges let people copy.

    `whole` are the runs whose plans are shown whole: one command applies them all. Plans that did not fit
    have to be named. Of the other commands, as many as fit.
    """
    steps = [section.next_step for section in sections if section.next_step.startswith("/")]
    ready = [section for section in sections if section.next_step.startswith("/apply")]
    shown = [section for section in ready if section.run.id in whole]
    hidden = [section for section in ready if section.run.id not in whole]
    found = []
    if shown:
        by_code = any("plan_code" in section.workspace.require for section in sections)
        exact = len(sections) == 1 or by_code
        command = _commands(shown) if exact else fence("/apply")
        found.append(Hint(_of_the_shown(shown) if hidden else _ALL, (command,)))
    if hidden:
        number = max(1, 2 * most)
        left_out = len(hidden) - number
        more = f"; {left_out} more are in {home}" if left_out > 0 else ""
        found.append(Hint(Markdown(_of_the_hidden(hidden, more)), (_commands(hidden[:number]),)))
    for verb, what in _OTHERS:
        listed = [fence(one_line(step)) for step in steps if step.startswith(f"{verb} ")]
        if commands := tuple(listed[: min(most, _MOST_HINTS)]):
            found.append(Hint(Markdown(what), commands))
    return tuple(found)


_ALL = Markdown("To apply the plans of this comment")


def _commands(sections: Sequence[WorkspaceSection]) -> Markdown:
    steps = list(dict.fromkeys(section.next_step for section in sections))
    # A command that applies in order names what comes first: that needs no command of its own.
    words = [frozenset(step.split()) for step in steps]
    alone = [step for step, mine in zip(steps, words, strict=True) if not any(mine < each for each in words)]
    return fence("\n".join(map(one_line, alone)))


def _of_the_shown(sections: Sequence[WorkspaceSection]) -> Markdown:
    names = ", ".join(f"**{plain(section.workspace.name, 90)}**" for section in sections)
    plans = "the plan that is" if len(sections) == 1 else f"the {len(sections)} plans that are"
    return Markdown(f"To apply {plans} shown here whole, of {names}")


def _of_the_hidden(sections: Sequence[WorkspaceSection], more: str) -> str:
    if len(sections) == 1:
        [section] = sections
        name = plain(section.workspace.name, 90)
        page = link(Markdown("its page"), section.run_url)
        return f"The plan of **{name}** does not fit here. Look at it on {page}. To apply it"
    return (
        f"{len(sections)} plans do not fit here, and `/apply` does not cover them. Look at them on the "
        f"pages of their runs. To apply one, name it{more}"
    )
