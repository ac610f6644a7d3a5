"""The drawing of workspaces: boxes in columns, and lines between them."""

from __future__ import annotations

from bot.web.page.graph import Box, draw
from bot.web.page.layout import Badge, Tone


def box(name: str) -> Box:
    return Box(name, name, f"/workspaces/{name}", Badge("Applied", Tone.GOOD))


def test_a_line_that_passes_a_column_goes_between_the_boxes() -> None:
    steps = [[box("a"), box("b")], [box("c"), box("d")], [box("e"), box("f")], [box("g")]]
    links = [("a", "e", "order"), ("b", "f", "order"), ("b", "g", "order"), ("a", "c", "order")]
    graph = draw(steps, links, words="")
    *passing, next_door = graph.edges
    assert next_door.lane == 0
    for edge in passing:
        for node in graph.nodes:
            assert not node.y <= edge.lane <= node.y + node.height
        assert 0 < edge.lane <= graph.height
