"""The order of a change's workspaces as a small drawing: what is applied first stands on the left."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bot.domain.runs.run import Run
from bot.domain.workspaces.order import Order
from bot.domain.workspaces.workspace import Workspace
from bot.web.page import graph
from bot.web.page.layout import Graph

_MOST = 60


def build(workspaces: Sequence[Workspace], runs: Mapping[str, Run | None]) -> Graph | None:
    """Return the drawing; `runs` are those that speak, by workspace. None if no workspace has an order."""
    order = Order(workspaces)
    ordered, steps = order.linked(), order.levels()
    if not ordered:
        return None
    shown = {each.id for each in [each for step in steps for each in step][:_MOST]}
    return graph.draw(
        [
            [
                graph.box(each.id, each.name, f"#{each.id}", runs.get(each.id))
                for each in step
                if each.id in shown
            ]
            for step in steps
        ],
        [(source.id, each.id, "order") for each in ordered for source in order.nearest(each)],
        words=" → ".join(", ".join(each.name for each in step) for step in steps),
        more=len(ordered) - len(shown),
    )
