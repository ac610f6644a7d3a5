"""Details inside a plan's fold: what runs only at apply, what drifted, and Terraform's warnings."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from bot.domain.plans.at_apply import RunsAtApply
from bot.domain.reports.report import WorkspaceSection
from bot.rendering.escape import Markdown, code, link, phrase
from bot.rendering.plan_text import Excerpt, Lines, error_lines

_MOST = 25
_ADDRESS = 160
MOST_WARNINGS = 8000


@dataclass(frozen=True)
class Detail:
    """A part with a title; it shows `items` and `text`, `more` counts the items that don't fit."""

    title: Markdown
    whole: Markdown
    items: tuple[Markdown, ...] = ()
    more: int = 0
    text: Excerpt | None = None


def warning_lines(section: WorkspaceSection) -> Lines:
    """Return what Terraform warns of, cleaned."""
    return error_lines(section.warnings, MOST_WARNINGS)


def details(section: WorkspaceSection, warnings: Lines, resources: int, characters: int) -> Iterable[Detail]:
    """Yield a workspace's details, with as many resources and characters as there is room for."""
    whole = link(Markdown("see the run"), section.run_url)
    if section.at_apply and resources:
        shown_first = section.at_apply[: min(resources, _MOST)]
        yield Detail(
            Markdown("Runs only at apply, and was not tried by the plan"),
            whole,
            tuple(map(_at_apply, shown_first)),
            len(section.at_apply) - len(shown_first),
        )
    if section.drift and resources:
        number = len(section.drift)
        shown = section.drift[: min(resources, _MOST)]
        yield Detail(
            Markdown(_drifted(section)),
            whole,
            tuple(
                Markdown(f"{code(each.address, _ADDRESS)}{' (gone)' if 'delete' in each.actions else ''}")
                for each in shown
            ),
            number - len(shown),
        )
    text = warnings.head(characters)
    if text:
        yield Detail(Markdown("Terraform warns"), whole, text=text)


def detail_words(section: WorkspaceSection, warnings: Lines) -> Iterable[str]:
    """Yield in a few words what a fold has besides the plan."""
    if section.drift:
        yield _drifted(section)
    if any(warnings.lines):
        yield "Terraform warns"


def _drifted(section: WorkspaceSection) -> str:
    number = len(section.drift)
    return f"{number} object{'' if number == 1 else 's'} changed outside of Terraform"


def _at_apply(each: RunsAtApply) -> Markdown:
    return Markdown(f"{code(each.address, _ADDRESS)} {phrase(each.words)}")
