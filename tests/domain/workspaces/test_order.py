"""The order of workspaces: whom one waits for, whatever the graph."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from bot.domain.events import RepoRef
from bot.domain.workspaces.order import Order, matches
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
    order = Order(each for each in every if each.name in chosen)
    ordered = order.sorted()
    assert sorted(w.name for w in ordered) == sorted(chosen)
    for place, workspace in enumerate(ordered):
        assert {each.id for each in order.sources(workspace)} <= {each.id for each in ordered[:place]}
    earlier: set[str] = set()
    for step in order.levels():
        assert all({each.id for each in order.sources(workspace)} <= earlier for workspace in step)
        earlier |= {each.id for each in step}
    assert earlier == {each.id for each in order.linked()}
    assert order.circle() == ()


@given(graphs(), st.sets(st.sampled_from(NAMES)))
def test_what_is_before_is_what_can_be_reached(every: list[Workspace], chosen: set[str]) -> None:
    order = Order(every)
    for workspace in every:
        reached: set[str] = set()
        waiting = list(workspace.depends_on)
        while waiting:
            name = waiting.pop()
            reached.add(name)
            waiting += next(each.depends_on for each in every if each.name == name)
        assert {each.name for each in order.before(workspace)} == reached
        close = order.nearest(workspace)
        assert {each.name for each in close} <= set(workspace.depends_on)
        assert {each.name for source in close for each in (source, *order.before(source))} == reached
    # Some of them keep the order of all.
    some = order.sorted(each for each in every if each.name in chosen)
    for place, workspace in enumerate(some):
        assert not {each.id for each in order.before(workspace)} & {each.id for each in some[place:]}


@given(st.dictionaries(st.sampled_from(NAMES), st.sets(st.sampled_from(NAMES), max_size=3)))
def test_a_circle_is_found_and_keeps_nobody_from_being_ordered(graph: dict[str, set[str]]) -> None:
    every = [a_workspace(name, depends_on=tuple(sorted(graph.get(name, ())))) for name in NAMES]
    order = Order(every)
    assert sorted(each.name for each in order.sorted()) == list(NAMES)
    names = order.circle()
    assert all(following in graph[one] for one, following in pairwise(names))
    within = [w for w in every if any(w.id in {s.id for s in order.before(o)} for o in order.before(w))]
    assert bool(names) == bool(within)


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
    staging = a_workspace("network", id="ws-2", branch="staging")
    elsewhere = a_workspace("network", id="ws-3", repo=RepoRef("github", "acme/other"))
    here, there = a_workspace("network"), a_workspace("network", id="ws-4", branch="main")
    assert Order([app, staging, elsewhere, here, there]).sources(app) == (here, there)
    assert not Order([_app("*")]).sources(_app("*"))


@given(
    st.lists(
        st.sampled_from(
            ["network", "net*", "envs/prod/network", "envs/*/network", "../network", "../*", ".", "./"]
        ),
        max_size=3,
    ),
    st.lists(
        st.tuples(
            st.sampled_from(["network", "net", "x"]), st.sampled_from(["", "network", "envs/prod/network"])
        )
    ),
)
def test_an_order_means_what_each_entry_means(entries: list[str], others: list[tuple[str, str]]) -> None:
    app = _app(*entries)
    every = [
        a_workspace(name, id=f"ws-{number}", working_directory=directory)
        for number, (name, directory) in enumerate(others)
    ]
    found = Order([*every, app]).sources(app)
    assert list(found) == [each for each in every if any(matches(entry, app, each) for entry in entries)]
