"""What stands beside a plan, folded apart: what changed outside of Terraform, and what Terraform warns of."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from bot.domain.report import Section
from bot.rendering.neutral import Markdown, code, html, link
from bot.rendering.plan_text import Excerpt, Lines, error_lines

_MOST = 25
_ADDRESS = 160
MOST_WARNINGS = 8000


@dataclass(frozen=True)
class Aside:
    """A folded part; `items` and `text` are what is shown, `more` counts the items that are not."""

    name: Markdown
    summary: Markdown
    whole: Markdown
    items: tuple[Markdown, ...] = ()
    more: int = 0
    text: Excerpt | None = None


def warning_lines(section: Section) -> Lines:
    """Return what Terraform warns of, cleaned."""
    return error_lines(section.warnings, MOST_WARNINGS)


def asides(section: Section, warnings: Lines, resources: int, characters: int) -> Iterable[Aside]:
    """Yield a workspace's asides, with as many resources and characters as there is room for."""
    name = html(section.workspace.name)
    whole = link(Markdown("see the run"), section.run_url)
    if section.drift and resources:
        number = len(section.drift)
        shown = section.drift[: min(resources, _MOST)]
        yield Aside(
            name,
            Markdown(f"{number} object{'' if number == 1 else 's'} changed outside of Terraform"),
            whole,
            tuple(
                Markdown(f"{code(each.address, _ADDRESS)}{' (gone)' if 'delete' in each.actions else ''}")
                for each in shown
            ),
            number - len(shown),
        )
    text = warnings.head(characters)
    if text:
        yield Aside(name, Markdown("Terraform warns"), whole, text=text)
