"""The order of a change's workspaces as a small drawing: what is applied first stands on the left."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bot.domain.runs.run import Run
from bot.domain.workspaces.order import Order
from bot.domain.workspaces.workspace import Workspace
from bot.web.changes.context import OrderEdge, OrderGraph, OrderNode
from bot.web.page import wording
from bot.web.page.layout import Tone
from bot.web.page.output import harmless

# Pixels of the drawing.
_WIDTH, _HEIGHT = 190, 34
_ACROSS, _DOWN = 250, 50
_EDGE = 2
_MOST = 60
_LONGEST = 24


def build(workspaces: Sequence[Workspace], runs: Mapping[str, Run | None]) -> OrderGraph | None:
    """Return the drawing; `runs` are those that speak, by workspace. None if no workspace has an order."""
    order = Order(workspaces)
    ordered, steps = order.linked(), order.levels()
    if not ordered:
        return None
    places = {each.id: (column, row) for column, step in enumerate(steps) for row, each in enumerate(step)}
    shown = sorted(ordered, key=lambda each: places[each.id])[:_MOST]
    ids = {each.id for each in shown}
    edges = [
        OrderEdge(
            _x(places[source.id]) + _WIDTH,
            _middle(places[source.id]),
            _x(places[each.id]),
            _middle(places[each.id]),
        )
        for each in shown
        for source in order.nearest(each)
        if source.id in ids
    ]
    return OrderGraph(
        width=max(_x(places[each.id]) for each in shown) + _WIDTH + _EDGE,
        height=max(_y(places[each.id]) for each in shown) + _HEIGHT + _EDGE,
        nodes=tuple(_node(each, runs.get(each.id), places[each.id]) for each in shown),
        edges=tuple(edges),
        words=" → ".join(", ".join(each.name for each in step) for step in steps),
        more=len(ordered) - len(shown),
    )


def _node(workspace: Workspace, run: Run | None, place: tuple[int, int]) -> OrderNode:
    badge = wording.badge_of(run) if run else None
    name = harmless(workspace.name)
    return OrderNode(
        x=_x(place),
        y=_y(place),
        width=_WIDTH,
        height=_HEIGHT,
        name=name,
        short=name if len(name) <= _LONGEST else f"{name[: _LONGEST - 1]}…",
        anchor=workspace.id,
        label=badge.label if badge else "No run yet",
        tone=badge.tone if badge else Tone.OFF,
    )


def _x(place: tuple[int, int]) -> int:
    return _EDGE + place[0] * _ACROSS


def _y(place: tuple[int, int]) -> int:
    return _EDGE + place[1] * _DOWN


def _middle(place: tuple[int, int]) -> int:
    return _y(place) + _HEIGHT // 2
