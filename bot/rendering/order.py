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
    return Markdown(" → ".join(steps) + others)
