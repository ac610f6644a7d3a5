"""What people do with variables: who may, what is refused and why, and that no secret comes back."""

from __future__ import annotations

import logging

import pytest

from bot.domain.errors import Forbidden, Invalid, NotFound
from bot.domain.people.permissions import Person, Role
from bot.domain.workspaces.variables import Category, DeclaredSet, DeclaredVariables, Variable
from bot.services.variables.declared import declare
from bot.services.variables.editor import (
    SetVariables,
    VariableEditor,
    VariableInput,
    VariableView,
    WorkspaceVariables,
)
from tests.fakes.house import PLANNER, READER, WRITER, House

OWNER = Person("olga", Role.OWNER)
NOBODY = Person("nemo", Role.NONE)
SECRET = "xyzzy-plugh-42"
NETWORK = WorkspaceVariables("network")
COMPANY = SetVariables("company")


@pytest.fixture
def desk(house: House) -> VariableEditor:
    house.workspace("network")
    return VariableEditor(house.store, house.clock)


def only(desk: VariableEditor) -> VariableView:
    (found,) = desk.of_workspace("network", READER)
    return found


def kept_values(house: House) -> dict[str, str]:
    with house.store.reading() as tx:
        found = tx.variables.of_workspace(tx.workspaces.named("network").id)
    return {one.variable.key: one.variable.value for one in found}


def test_a_variable_is_set_changed_and_unset(house: House, desk: VariableEditor) -> None:
    desk.put(NETWORK, VariableInput("region", value="eu", description="Where"), WRITER)
    one = only(desk)
    assert (one.value, one.description, one.set_by, one.at) == ("eu", "Where", "wren", house.clock.now())
    house.clock.forward(minutes=1)
    desk.put(NETWORK, VariableInput("region", value="us"), OWNER)
    one = only(desk)
    assert (one.value, one.description, one.set_by, one.at) == ("us", "Where", "olga", house.clock.now())
    desk.unset(NETWORK, Category.TERRAFORM, "region", WRITER)
    assert desk.of_workspace("network", READER) == ()


def test_a_sensitive_value_never_comes_back(
    house: House, desk: VariableEditor, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    desk.put_set("company", OWNER, everywhere=True)
    done = [
        desk.put(NETWORK, VariableInput("token", value=SECRET, sensitive=True), WRITER),
        desk.put(COMPANY, VariableInput("other", value=SECRET, sensitive=True), OWNER),
        *desk.of_workspace("network", OWNER),
        *desk.set_named("company", OWNER).variables,
        *desk.sets(OWNER)[0].variables,
    ]
    assert [one.value for one in done] == [None] * len(done)
    assert SECRET not in repr((done, VariableInput("a", value=SECRET)))
    desk.unset(NETWORK, Category.TERRAFORM, "token", WRITER)
    assert "wren set the sensitive terraform variable token of the workspace network" in caplog.text
    assert "wren unset the sensitive terraform variable token of the workspace network" in caplog.text
    assert SECRET not in caplog.text


def test_a_sensitive_variable_stays_so_and_keeps_its_value_where_none_is_given(
    house: House, desk: VariableEditor
) -> None:
    desk.put(NETWORK, VariableInput("token", value=SECRET, sensitive=True), WRITER)
    desk.put(NETWORK, VariableInput("token", description="For DNS"), WRITER)
    assert kept_values(house) == {"token": SECRET}
    assert (only(desk).sensitive, only(desk).description) == (True, "For DNS")
    desk.put(NETWORK, VariableInput("token", value="another"), WRITER)
    assert kept_values(house) == {"token": "another"}
    assert only(desk).value is None
    desk.unset(NETWORK, Category.TERRAFORM, "token", WRITER)
    desk.put(NETWORK, VariableInput("token", value="shown"), WRITER)
    assert only(desk).value == "shown"


def test_hcl_stays_unless_said_otherwise(desk: VariableEditor) -> None:
    desk.put(NETWORK, VariableInput("zones", value="[]", hcl=True), WRITER)
    desk.put(NETWORK, VariableInput("zones", value="[1]"), WRITER)
    assert only(desk).hcl
    desk.put(NETWORK, VariableInput("zones", hcl=False), WRITER)
    assert (only(desk).hcl, only(desk).value) == (False, "[1]")


@pytest.mark.parametrize("person", [NOBODY, READER, PLANNER], ids=lambda person: person.login)
def test_changing_needs_write_access(desk: VariableEditor, person: Person) -> None:
    desk.put(NETWORK, VariableInput("region", value="eu"), WRITER)
    with pytest.raises(Forbidden, match="edit variables needs write access"):
        desk.put(NETWORK, VariableInput("region", value="us"), person)
    with pytest.raises(Forbidden, match="edit variables needs write access"):
        desk.unset(NETWORK, Category.TERRAFORM, "region", person)
    assert only(desk).value == "eu"


@pytest.mark.parametrize("person", [NOBODY, WRITER, Person("ada", Role.ADMIN)], ids=lambda one: one.login)
def test_sets_reach_many_and_need_an_owner(desk: VariableEditor, person: Person) -> None:
    desk.put_set("company", OWNER, everywhere=True)
    desk.put(COMPANY, VariableInput("region", value="eu"), OWNER)
    for attempt in (
        lambda: desk.put(COMPANY, VariableInput("region", value="us"), person),
        lambda: desk.unset(COMPANY, Category.TERRAFORM, "region", person),
        lambda: desk.put_set("company", person),
        lambda: desk.remove_set("company", person),
    ):
        with pytest.raises(Forbidden, match="edit variable sets needs owner access"):
            attempt()
    assert only(desk).value == "eu"


def test_looking_needs_read_access(desk: VariableEditor) -> None:
    for look in (
        desk.sets,
        lambda who: desk.of_workspace("network", who),
        lambda who: desk.set_named("s", who),
    ):
        with pytest.raises(Forbidden, match="needs read access"):
            look(NOBODY)


def test_what_a_set_gives_is_listed_with_what_wins_and_is_not_edited_here(desk: VariableEditor) -> None:
    desk.put_set("company", OWNER, workspaces=["net*", "net*"], description="Ours")
    desk.put(COMPANY, VariableInput("region", value="eu-set"), OWNER)
    desk.put(COMPANY, VariableInput("owner", value="platform"), OWNER)
    desk.put(NETWORK, VariableInput("region", value="eu-own"), WRITER)
    listed = {(one.key, one.value): one for one in desk.of_workspace("network", READER)}
    assert listed["region", "eu-set"].hidden_by == "the workspace"
    assert listed["region", "eu-own"].hidden_by == ""
    assert listed["owner", "platform"].source == "the set company"
    assert [one.editable for one in listed.values()] == [False, True, False]
    with pytest.raises(
        NotFound, match="has no terraform variable owner of its own; it comes from the set company"
    ):
        desk.unset(NETWORK, Category.TERRAFORM, "owner", WRITER)
    found = desk.set_named("company", READER)
    assert (found.workspaces, found.description, found.made_by) == (("net*",), "Ours", "olga")


def test_a_set_is_removed_with_what_is_in_it(desk: VariableEditor) -> None:
    desk.put_set("company", OWNER, everywhere=True)
    desk.put(COMPANY, VariableInput("region", value="eu"), OWNER)
    desk.remove_set("company", OWNER)
    assert desk.of_workspace("network", READER) == ()
    assert desk.sets(READER) == ()


def test_what_the_file_says_is_changed_in_the_file(house: House, desk: VariableEditor) -> None:
    declared = DeclaredVariables(
        {"network": (Variable("region", "eu"),)},
        (DeclaredSet("company", True, variables=(Variable("a", "x"),)),),
    )
    with house.store.transaction() as tx:
        declare(tx, declared, house.clock.now())
    for attempt in (
        lambda: desk.put(NETWORK, VariableInput("region", value="us"), OWNER),
        lambda: desk.unset(NETWORK, Category.TERRAFORM, "region", OWNER),
        lambda: desk.put(COMPANY, VariableInput("a", value="y"), OWNER),
        lambda: desk.unset(COMPANY, Category.TERRAFORM, "a", OWNER),
        lambda: desk.put_set("company", OWNER),
        lambda: desk.remove_set("company", OWNER),
    ):
        with pytest.raises(Invalid, match=r"plangate.yml.*there"):
            attempt()
    desk.put(COMPANY, VariableInput("b", value="more"), OWNER)
    found = {
        one.key: (one.value, one.set_by, one.editable) for one in desk.set_named("company", OWNER).variables
    }
    assert found == {"a": ("x", "plangate.yml", False), "b": ("more", "olga", True)}


@pytest.mark.parametrize(
    ("wish", "says"),
    [
        (VariableInput("region"), "region is new: give it a value"),
        (VariableInput("1a", value=SECRET), "not a valid variable name"),
        (VariableInput("LD_PRELOAD", Category.ENV, SECRET), "set by Plangate itself"),
        (VariableInput("A", Category.ENV, SECRET, hcl=True), "remove hcl"),
    ],
)
def test_what_can_not_be_a_variable_is_refused_without_its_value(
    desk: VariableEditor, wish: VariableInput, says: str
) -> None:
    with pytest.raises(Invalid, match=says) as refused:
        desk.put(NETWORK, wish, OWNER)
    assert SECRET not in str(refused.value)
    assert desk.of_workspace("network", READER) == ()


def test_what_is_not_there_is_not_found(desk: VariableEditor) -> None:
    for attempt in (
        lambda: desk.of_workspace("nowhere", OWNER),
        lambda: desk.put(WorkspaceVariables("nowhere"), VariableInput("a", value="x"), OWNER),
        lambda: desk.put(SetVariables("nowhere"), VariableInput("a", value="x"), OWNER),
        lambda: desk.unset(NETWORK, Category.ENV, "a", OWNER),
        lambda: desk.set_named("nowhere", OWNER),
        lambda: desk.remove_set("nowhere", OWNER),
    ):
        with pytest.raises(NotFound):
            attempt()


def test_discovered_workspaces_have_variables_too(house: House, desk: VariableEditor) -> None:
    house.workspace("found", discovered=True)
    desk.put(WorkspaceVariables("found"), VariableInput("region", value="eu"), WRITER)
    assert [one.value for one in desk.of_workspace("found", READER)] == ["eu"]
