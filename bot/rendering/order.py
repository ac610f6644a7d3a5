"""The order of a change's applies, as a small graph in one line: `network ✅ → cluster ⏳ → app ⏳`."""

from __future__ import annotations

from collections.abc import Sequence

from bot.domain.reports.report import WorkspaceSection
from bot.domain.workspaces.order import Order
from bot.rendering.escape import Markdown, plain
from bot.rendering.section_states import section_state

_MOST = 24


def order_words(sections: Sequence[WorkspaceSection]) -> Markdown:
    """Return the workspaces that have an order in steps, with where they stand. Empty if none has one.

    Those of a step are applied side by side, after those of the steps before that they depend on.
    """
    if not any(section.workspace.depends_on for section in sections):
        return Markdown("")
    order = Order(section.workspace for section in sections)
    states = {section.workspace.id: section_state(section).emoji for section in sections}
    steps, left = [], _MOST
    for step in order.levels():
        if shown := step[:left]:
            left -= len(shown)
            steps.append(", ".join(f"{states[each.id]} **{plain(each.name, 90)}**" for each in shown))
    more = len(order.linked()) - _MOST
    others = f" and {more} more" if more > 0 else ""
    return Markdown(" → ".join(steps) + others + _planned_before(sections, order))


def _planned_before(sections: Sequence[WorkspaceSection], order: Order) -> str:
    """Say whose plans were made before the changes of what they depend on are applied. Empty if none was."""
    waiting = {each.workspace.id for each in sections if _has_preview(each)}
    found = [
        (each.workspace, [source for source in order.before(each.workspace) if source.id in waiting])
        for each in sections
        if each.workspace.id in waiting
    ]
    found = [(workspace, sources) for workspace, sources in found if sources]
    if not found:
        return ""
    (workspace, sources), *others = found
    name, more = plain(workspace.name, 90), f" and {len(others)} more" if others else ""
    was, is_ = ("were", "are") if others else ("was", "is")
    if others or len(sources) > 1:
        before, after = "what is on the left is applied", "it"
    else:
        before, after = f"the changes of **{plain(sources[0].name, 90)}** are applied", "them"
    return f". **{name}**{more} {was} planned before {before}, and {is_} planned again after {after}"


def _has_preview(section: WorkspaceSection) -> bool:
    run = section.run
    return run.plan_only and bool(run.has_changes) and not run.modes.destroy
