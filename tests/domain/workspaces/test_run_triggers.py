"""Run triggers: whom an apply wakes, and circles, found whatever the graph."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from bot.domain.workspaces.run_triggers import find_cycle, followers, why_circular
from tests.store.samples import workspace

NAMES = "abcdef"
GRAPHS = st.dictionaries(st.sampled_from(NAMES), st.lists(st.sampled_from(NAMES), max_size=3), max_size=6)


def _reaches_itself(graph: dict[str, list[str]]) -> bool:
    """The plain way: follow everything from everywhere."""
    return any(_comes_back(start, graph) for start in graph)


@given(GRAPHS)
def test_a_circle_is_found_exactly_where_there_is_one(graph: dict[str, list[str]]) -> None:
    cycle = find_cycle(graph)
    assert bool(cycle) == _reaches_itself(graph)
    if cycle:
        assert cycle[0] == cycle[-1]
        # Each starts a run in the next: the next one names it.
        assert all(one in graph[following] for one, following in pairwise(cycle))


@given(GRAPHS)
def test_an_apply_that_would_come_back_to_itself_says_through_whom(graph: dict[str, list[str]]) -> None:
    every = [workspace(name, run_triggers=tuple(graph.get(name, ()))) for name in NAMES]
    for place in every:
        circle = why_circular(place, every)
        others = {name: [n for n in named if n != name] for name, named in graph.items()}
        assert bool(circle) == _comes_back(place.name, others)
        if circle:
            steps = circle.split(" -> ")
            assert steps[0] == steps[-1] == place.name
            assert all(one in graph[following] for one, following in pairwise(steps))


def _comes_back(start: str, graph: dict[str, list[str]]) -> bool:
    seen: set[str] = set()
    waiting = list(graph.get(start, ()))
    while waiting:
        name = waiting.pop()
        if name == start:
            return True
        if name not in seen:
            seen.add(name)
            waiting += graph.get(name, [])
    return False


def test_followers_are_those_that_name_it_but_not_itself() -> None:
    source = workspace("source", run_triggers=("source",))
    one, two = workspace("one", run_triggers=("source", "x")), workspace("two", run_triggers=("one",))
    assert followers(source, [source, one, two]) == (one,)
