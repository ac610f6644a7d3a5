"""The variables of plangate.yml come into the database, and go with the lines that named them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bot.domain.people.permissions import Person, Role
from bot.domain.workspaces.variables import Category, DeclaredSet, DeclaredVariables, Variable
from bot.domain.workspaces.workspace import Workspace
from bot.services.variables.declared import declare
from bot.services.variables.editor import SetVariables, VariableEditor, VariableInput, WorkspaceVariables
from bot.services.variables.sync import SyncResult, sync
from tests.fakes.house import REPO, House

OWNER = Person("olga", Role.OWNER)
NETWORK = Workspace("", "network", REPO)
REGION = Variable("region", "eu")


@pytest.fixture
def desk(house: House) -> VariableEditor:
    return VariableEditor(house.store, house.clock)


def bring(house: House, declared: DeclaredVariables, *workspaces: Workspace) -> SyncResult:
    now = house.clock.forward(minutes=1)
    return sync(house.store, now, workspaces or [NETWORK], [], lambda tx: declare(tx, declared, now))


def said(done: SyncResult) -> list[tuple[str, str]]:
    return [(one.what, one.where) for one in done.variables]


def listed(desk: VariableEditor, name: str = "network") -> dict[str, tuple[str | None, str]]:
    return {one.key: (one.value, one.set_by) for one in desk.of_workspace(name, OWNER)}


def test_what_the_file_names_is_set_and_what_it_drops_is_removed(house: House, desk: VariableEditor) -> None:
    both = DeclaredVariables({"network": (REGION, Variable("A", "x", Category.ENV))})
    assert said(bring(house, both)) == [("set", "region of network"), ("set", "A of network")]
    assert listed(desk) == {"A": ("x", "plangate.yml"), "region": ("eu", "plangate.yml")}
    assert said(bring(house, DeclaredVariables({"network": (REGION,)}))) == [("removed", "A of network")]
    assert said(bring(house, DeclaredVariables())) == [("removed", "region of network")]
    assert listed(desk) == {}


def test_what_is_as_it_was_is_not_written_again(house: House, desk: VariableEditor) -> None:
    declared = DeclaredVariables({"network": (REGION,)}, (DeclaredSet("company", True, variables=(REGION,)),))
    bring(house, declared)
    before = desk.of_workspace("network", OWNER), desk.sets(OWNER)
    assert said(bring(house, declared)) == []
    assert (desk.of_workspace("network", OWNER), desk.sets(OWNER)) == before
    changed = DeclaredVariables({"network": (replace(REGION, value="us"),)}, declared.sets)
    assert said(bring(house, changed)) == [("set", "region of network")]


def test_what_people_have_set_stays(house: House, desk: VariableEditor) -> None:
    bring(house, DeclaredVariables({"network": (REGION,)}))
    desk.put(WorkspaceVariables("network"), VariableInput("mine", value="x"), OWNER)
    bring(house, DeclaredVariables())
    assert listed(desk) == {"mine": ("x", "olga")}


def test_the_file_takes_over_what_it_names(house: House, desk: VariableEditor) -> None:
    bring(house, DeclaredVariables())
    desk.put(WorkspaceVariables("network"), VariableInput("region", value="mine"), OWNER)
    assert said(bring(house, DeclaredVariables({"network": (REGION,)}))) == [
        ("took over", "region of network")
    ]
    assert listed(desk) == {"region": ("eu", "plangate.yml")}


def test_a_workspace_that_is_put_aside_loses_what_the_file_said(house: House, desk: VariableEditor) -> None:
    other = replace(NETWORK, name="other")
    bring(house, DeclaredVariables({"network": (REGION,)}), NETWORK, other)
    desk.put(WorkspaceVariables("network"), VariableInput("mine", value="x"), OWNER)
    done = bring(house, DeclaredVariables(), other)
    assert done.retired == ("network",)
    assert listed(desk) == {"mine": ("x", "olga")}


def test_a_set_comes_changes_and_goes(house: House, desk: VariableEditor) -> None:
    first = DeclaredVariables({}, (DeclaredSet("company", True, description="Ours", variables=(REGION,)),))
    assert said(bring(house, first)) == [("set", "the set company"), ("set", "region of the set company")]
    assert listed(desk) == {"region": ("eu", "plangate.yml")}
    narrowed = DeclaredVariables({}, (DeclaredSet("company", workspaces=("other*",), variables=(REGION,)),))
    assert said(bring(house, narrowed)) == [("set", "the set company")]
    assert listed(desk) == {}
    assert said(bring(house, DeclaredVariables())) == [("removed", "the set company")]
    assert desk.sets(OWNER) == ()


def test_a_set_that_the_file_drops_keeps_what_people_put_into_it_but_reaches_nobody(
    house: House, desk: VariableEditor
) -> None:
    bring(house, DeclaredVariables({}, (DeclaredSet("company", True, variables=(REGION,)),)))
    desk.put(SetVariables("company"), VariableInput("mine", value="x", sensitive=True), OWNER)
    assert said(bring(house, DeclaredVariables())) == [
        ("removed", "region of the set company"),
        ("detached", "the set company, for people have set variables in it"),
    ]
    assert listed(desk) == {}
    left = desk.set_named("company", OWNER)
    assert (left.everywhere, left.from_file, [one.key for one in left.variables]) == (False, False, ["mine"])
    desk.put_set("company", OWNER, everywhere=True)
    assert listed(desk) == {"mine": (None, "olga")}


def test_the_file_takes_over_a_set_of_its_name(house: House, desk: VariableEditor) -> None:
    bring(house, DeclaredVariables())
    desk.put_set("company", OWNER, workspaces=["other"])
    desk.put(SetVariables("company"), VariableInput("mine", value="x"), OWNER)
    bring(house, DeclaredVariables({}, (DeclaredSet("company", True, variables=(REGION,)),)))
    assert listed(desk) == {"mine": ("x", "olga"), "region": ("eu", "plangate.yml")}
    assert desk.set_named("company", OWNER).from_file


def test_sets_reach_discovered_workspaces_by_their_names(house: House, desk: VariableEditor) -> None:
    bring(house, DeclaredVariables({}, (DeclaredSet("live", workspaces=("live-*",), variables=(REGION,)),)))
    house.workspace("live-prod", discovered=True)
    assert listed(desk, "live-prod") == {"region": ("eu", "plangate.yml")}
