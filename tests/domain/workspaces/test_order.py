"""The order of workspaces: whom one waits for, whatever the graph."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from bot.domain.events import RepoRef
from bot.domain.workspaces.order import before, circle, in_order, levels, matches, nearest, sources
from bot.domain.workspaces.workspace import Workspace
from tests.fakes.runs import a_workspace

NAMES = "abcdef"


@st.composite
def graphs(draw: st.DrawFn) -> list[Workspace]:
    """Workspaces without a circle, in any order: each depends only on some of those before it."""
    names = draw(st.permutations(NAMES))
    found = [
        a_workspace(name, depends_on=tuple(draw(st.sets(st.sampled_from(names[:index])))) if index else ())
        for index, name in enumerate(names)
    ]
    return draw(st.permutations(found))


@given(graphs(), st.sets(st.sampled_from(NAMES)))
def test_each_comes_after_all_that_it_depends_on(every: list[Workspace], chosen: set[str]) -> None:
    some = [each for each in every if each.name in chosen]
    ordered = in_order(some)
    assert sorted(w.name for w in ordered) == sorted(chosen)
    for place, workspace in enumerate(ordered):
        assert {each.id for each in sources(workspace, some)} <= {each.id for each in ordered[:place]}
    assert [each for step in levels(some) for each in sorted(step, key=ordered.index)] == sorted(
        ordered, key=lambda w: ([w in step for step in levels(some)].index(True), ordered.index(w))
    )
    assert circle(some) == ()


@given(graphs())
def test_what_is_before_is_what_can_be_reached(every: list[Workspace]) -> None:
    for workspace in every:
        reached: set[str] = set()
        waiting = list(workspace.depends_on)
        while waiting:
            name = waiting.pop()
            reached.add(name)
            waiting += next(each.depends_on for each in every if each.name == name)
        assert {each.name for each in before(workspace, every)} == reached
        close = nearest(workspace, every)
        assert {each.name for each in close} <= set(workspace.depends_on)
        found = {each.name for source in close for each in (source, *before(source, every))}
        assert found == reached


@given(st.dictionaries(st.sampled_from(NAMES), st.sets(st.sampled_from(NAMES), max_size=3)))
def test_a_circle_keeps_nobody_from_being_ordered(graph: dict[str, set[str]]) -> None:
    every = [a_workspace(name, depends_on=tuple(sorted(graph.get(name, ())))) for name in NAMES]
    assert sorted(each.name for each in in_order(every)) == list(NAMES)


def _app(*depends_on: str, **more: Any) -> Workspace:
    return a_workspace("app", working_directory="envs/prod/app", depends_on=depends_on, **more)


def test_an_entry_is_a_name_a_directory_or_a_pattern_of_either() -> None:
    network = a_workspace("network-prod", working_directory="envs/prod/network")
    for entry in (
        "network-prod",
        "network-*",
        "envs/prod/network",
        "envs/*/network",
        "**/network",
        "../network",
    ):
        assert matches(entry, _app(), network), entry
    for entry in ("network", "network-prod-2", "envs/*", "../*/network", "./network", "prod/network"):
        assert not matches(entry, _app(), network), entry
    assert matches(".", _app(), a_workspace("root", working_directory=""))


def test_only_workspaces_of_the_repository_and_the_branch_are_meant() -> None:
    app = _app("network", branch="main")
    assert sources(app, [a_workspace("network")])
    assert sources(app, [a_workspace("network", branch="main")])
    assert not sources(app, [a_workspace("network", branch="staging")])
    assert not sources(app, [a_workspace("network", repo=RepoRef("github", "acme/other"))])
    assert not sources(_app("*"), [_app("*")])
