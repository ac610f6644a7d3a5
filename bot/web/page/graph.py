"""Draws workspaces and what connects them: boxes in columns, curves from left to right."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from bot.domain.runs.run import Run
from bot.web.page import wording
from bot.web.page.layout import Badge, Graph, GraphEdge, GraphNode, Tone
from bot.web.page.output import harmless

# Pixels of the drawing.
_WIDTH, _HEIGHT = 190, 34
_ACROSS, _DOWN = 250, 50
_EDGE = 2
_LONGEST = 24


@dataclass(frozen=True)
class Box:
    """What is drawn of one workspace."""

    id: str
    name: str
    url: str
    badge: Badge


def box(workspace_id: str, name: str, url: str, run: Run | None) -> Box:
    """Return the box of a workspace with the run that it is shown with."""
    badge = wording.badge_of(run) if run else Badge("No run yet", Tone.OFF)
    return Box(workspace_id, harmless(name), url, badge)


def draw(
    steps: Iterable[Sequence[Box]],
    links: Iterable[tuple[str, str, str]],
    *,
    words: str,
    more: int = 0,
    tallest: int = 0,
) -> Graph:
    """Return the drawing. `links` are source, target and kind; both ends must be among the boxes to show.

    A step with more boxes than `tallest` takes several columns; 0: never.
    """
    columns = [part for step in steps for part in _parts(step, tallest or len(step))]
    places = {each.id: (x, y) for x, column in enumerate(columns) for y, each in enumerate(column)}
    boxes = [each for column in columns for each in column]
    edges = tuple(
        _edge(places[source], places[target], kind)
        for source, target, kind in links
        if source in places and target in places
    )
    lowest = max((_y(place) for place in places.values()), default=0) + _HEIGHT
    return Graph(
        width=max((_x(place) for place in places.values()), default=0) + _WIDTH + _EDGE,
        height=max([lowest, *(edge.lane for edge in edges)]) + _EDGE,
        nodes=tuple(_node(each, places[each.id]) for each in boxes),
        edges=edges,
        words=words,
        more=more,
    )


def _parts(step: Sequence[Box], most: int) -> list[Sequence[Box]]:
    return [step[first : first + most] for first in range(0, len(step), most)] if step else []


def _node(each: Box, place: tuple[int, int]) -> GraphNode:
    name = each.name
    return GraphNode(
        x=_x(place),
        y=_y(place),
        width=_WIDTH,
        height=_HEIGHT,
        name=name,
        short=name if len(name) <= _LONGEST else f"{name[: _LONGEST - 1]}…",
        url=each.url,
        label=each.badge.label,
        tone=each.badge.tone,
    )


def _edge(source: tuple[int, int], target: tuple[int, int], kind: str) -> GraphEdge:
    lane = _lane(min(source[1], target[1])) if target[0] > source[0] + 1 else 0
    return GraphEdge(_x(source) + _WIDTH, _middle(source), _x(target), _middle(target), kind, lane)


def _lane(row: int) -> int:
    """Return the height between two rows at which an edge passes the columns between its ends."""
    return _y((0, row)) + (_HEIGHT + _DOWN) // 2


def _x(place: tuple[int, int]) -> int:
    return _EDGE + place[0] * _ACROSS


def _y(place: tuple[int, int]) -> int:
    return _EDGE + place[1] * _DOWN


def _middle(place: tuple[int, int]) -> int:
    return _y(place) + _HEIGHT // 2
