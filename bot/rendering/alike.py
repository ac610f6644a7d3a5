"""Workspaces whose plans are the same but for names: they share a row of the table and a fold."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

from bot.domain.reports.report import WorkspaceSection
from bot.rendering.escape import Markdown, code, html, link, plain

_NAME = 90

Members = tuple[int, ...]
"""The indexes of the sections that are alike. The first one's plan is shown."""


def alike(sections: Sequence[WorkspaceSection]) -> list[Members]:
    """Return the sections in groups. One that is like no other is alone."""
    found: dict[Hashable, list[int]] = {}
    for index, section in enumerate(sections):
        key = _key(section)
        found.setdefault(index if key is None else key, []).append(index)
    return [tuple(each) for each in found.values()]


def names(sections: Sequence[WorkspaceSection], members: Members, most: int) -> Markdown:
    """Name the first members, at least one, and count the others."""
    shown = members[: max(1, most)]
    named = (plain(sections[each].workspace.name, _NAME) for each in shown)
    return Markdown(", ".join(named) + more(members, shown))


def named_with_directories(sections: Sequence[WorkspaceSection], members: Members, most: int) -> Markdown:
    """Name them as `names` does, each with its directory."""
    shown = members[: max(1, most)]
    found = []
    for each in shown:
        workspace = sections[each].workspace
        where = f" ({code(workspace.working_directory, 120)})" if workspace.working_directory else ""
        found.append(f"{plain(workspace.name, _NAME)}{where}")
    return Markdown(", ".join(found) + more(members, shown))


def summary_names(sections: Sequence[WorkspaceSection], members: Members, most: int) -> Markdown:
    """Name them as `names` does, inside an HTML tag."""
    shown = members[: max(1, most)]
    return Markdown(", ".join(html(sections[each].workspace.name) for each in shown) + more(members, shown))


def linked(sections: Sequence[WorkspaceSection], members: Members, most: int) -> Markdown:
    """Name them as `names` does, each as a link to its run."""
    shown = members[: max(1, most)]
    found = (link(plain(sections[each].workspace.name, _NAME), sections[each].run_url) for each in shown)
    return Markdown(", ".join(found) + more(members, shown))


def more(members: Members, shown: Members) -> str:
    """Say how many members are not named."""
    left = len(members) - len(shown)
    return f" and {left} more" if left else ""


def _key(section: WorkspaceSection) -> Hashable | None:
    """Return what sections have to share besides their plans, so that nothing that differs is in a group."""
    run = section.run
    differs = run.delta or section.delta or run.error or section.errors
    if not section.likeness or not section.plan_text or not run.has_changes or differs:
        return None
    step = section.next_step
    return (
        section.likeness,
        run.status,
        run.modes,
        run.engine_version,
        section.workspace.engine,
        section.headline,
        step.partition(" ")[0] if step.startswith("/") else step,
        section.counts,
        tuple((each.actions, each.importing) for each in section.resources),
        tuple(
            (each.name, each.level, each.outcome, each.messages, each.total, each.override)
            for each in section.policies
        ),
        section.notes,
        section.warnings,
        section.requires,
        section.met,
        section.unapproved,
    )
