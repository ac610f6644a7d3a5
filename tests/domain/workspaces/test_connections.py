"""What connects workspaces, and the groups and steps that follow from it."""

from __future__ import annotations

from typing import Any

from bot.domain.events import RepoRef
from bot.domain.workspaces.connections import (
    MOST_READERS,
    ConnectionKind,
    columns,
    connections,
    groups,
    without_detours,
)
from bot.domain.workspaces.outputs import Input
from bot.domain.workspaces.workspace import Workspace

REPO = RepoRef("hub", "acme/infra")


def workspace(name: str, **about: Any) -> Workspace:
    return Workspace(id=f"ws-{name}", name=name, repo=REPO, working_directory=name, **about)


def said(*workspaces: Workspace) -> set[tuple[str, str, str]]:
    return {
        (each.source.removeprefix("ws-"), each.target.removeprefix("ws-"), each.kind.value)
        for each in connections(workspaces)
    }


def names(steps: Any) -> list[list[str]]:
    return [[each.name for each in step] for step in steps]


def test_each_kind_of_connection_is_found_once() -> None:
    found = said(
        workspace("network", share_state_with=("app", "app*", "network")),
        workspace(
            "app",
            depends_on=("network", "net*"),
            inputs=(Input("a", "network", "vpc"), Input("b", "network", "zone"), Input("c", "gone", "x")),
            run_triggers=("dns", "dns", "gone"),
        ),
        workspace("dns"),
    )
    assert found == {
        ("network", "app", "order"),
        ("network", "app", "output"),
        ("network", "app", "state"),
        ("dns", "app", "trigger"),
    }


def test_a_connection_by_outputs_names_them() -> None:
    app = workspace("app", inputs=(Input("a", "network", "vpc"), Input("b", "network", "zone")))
    assert connections([workspace("network"), app])[0].what == ("vpc", "zone")


def test_a_state_that_very_many_may_read_connects_nothing() -> None:
    readers = [workspace(f"app-{number}") for number in range(MOST_READERS + 1)]
    assert len(said(workspace("network", share_state_with=("app-*",)), *readers[1:])) == MOST_READERS
    assert said(workspace("network", share_state_with=("app-*",)), *readers) == set()


def test_a_proposed_workspace_reads_no_state_and_is_not_connected_by_it() -> None:
    assert said(workspace("network", share_state_with=("*",)), workspace("app", proposed=True)) == set()


def test_groups_come_largest_first_and_hold_only_connected_workspaces() -> None:
    there = [
        workspace("alone"),
        workspace("b", run_triggers=("a",)),
        workspace("a"),
        workspace("x"),
        workspace("y", depends_on=("x",)),
        workspace("z", run_triggers=("y",)),
    ]
    assert names(groups(there, connections(there))) == [["x", "y", "z"], ["b", "a"]]


def test_columns_put_each_after_its_sources_and_survive_a_circle() -> None:
    there = [
        workspace("a", run_triggers=("c",)),
        workspace("b", run_triggers=("a",)),
        workspace("c", run_triggers=("b",)),
        workspace("d", run_triggers=("c",)),
    ]
    assert names(columns(there, connections(there))) == [["a"], ["b"], ["c"], ["d"]]
    assert names(columns(there[1:], connections(there))) == [["b"], ["c"], ["d"]]


def test_an_order_that_a_longer_way_says_is_left_out_and_other_kinds_stay() -> None:
    there = [
        workspace("a"),
        workspace("b", depends_on=("a",)),
        workspace("c", depends_on=("a", "b"), run_triggers=("a",)),
    ]
    seen = {(each.source, each.target, each.kind) for each in without_detours(connections(there))}
    assert seen == {
        ("ws-a", "ws-b", ConnectionKind.ORDER),
        ("ws-b", "ws-c", ConnectionKind.ORDER),
        ("ws-a", "ws-c", ConnectionKind.TRIGGER),
    }
