"""Variables and sets, kept."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bot.domain.errors import Conflict, NotFound
from bot.domain.ids import new_id
from bot.domain.workspaces.variables import Category, StoredVariable, Variable, VariableSet
from bot.store import SqlStore
from tests.store.samples import AT, MINUTE, every, put, workspace

WHATEVER = settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def kept(key: str = "region", value: str = "eu", **fields: Any) -> StoredVariable:
    about = {"category": Category.TERRAFORM, **fields}
    return StoredVariable(new_id("var"), Variable(key, value, **about), "ann", AT)


def group(name: str = "company", **fields: Any) -> VariableSet:
    return VariableSet(**{"id": new_id("varset"), "name": name, "made_by": "ann", **fields})


@WHATEVER
@given(every(StoredVariable), st.booleans())
def test_every_field_comes_back(store: SqlStore, one: StoredVariable, in_set: bool) -> None:
    one = replace(one, id=new_id("var"))
    place = put(store, workspace(new_id("name")))
    with store.transaction() as unit:
        owner = unit.variables.put_set(group(new_id("set")))
        ids = {"set_id": owner.id} if in_set else {"workspace_id": place.id}
        assert unit.variables.put(one, **ids) == one
    with store.reading() as unit:
        inside = next(each for each in unit.variables.sets() if each.id == owner.id).variables
        assert [*unit.variables.of_workspace(place.id), *inside] == [one]


@WHATEVER
@given(every(VariableSet))
def test_every_field_of_a_set_comes_back(store: SqlStore, one: VariableSet) -> None:
    one = replace(one, id=new_id("varset"), name=new_id("set"), variables=())
    with store.transaction() as unit:
        assert unit.variables.put_set(one) == one
    with store.reading() as unit:
        assert one in unit.variables.sets()


def test_put_replaces_one_of_the_same_name_and_keeps_its_id(store: SqlStore) -> None:
    place = put(store)
    first, second = (
        kept(),
        StoredVariable(new_id("var"), Variable("region", "us", sensitive=True), "bob", AT + MINUTE),
    )
    with store.transaction() as unit:
        unit.variables.put(first, workspace_id=place.id)
        assert unit.variables.put(second, workspace_id=place.id) == replace(second, id=first.id)
        unit.variables.put(kept(category=Category.ENV), workspace_id=place.id)
        categories = [one.variable.category for one in unit.variables.of_workspace(place.id)]
    assert categories == [Category.ENV, Category.TERRAFORM]


def test_owners_do_not_see_each_others(store: SqlStore) -> None:
    one, other = put(store), put(store, workspace("other"))
    with store.transaction() as unit:
        company, team = unit.variables.put_set(group()), unit.variables.put_set(group("team"))
        for number, ids in enumerate(
            [
                {"workspace_id": one.id},
                {"workspace_id": other.id},
                {"set_id": company.id},
                {"set_id": team.id},
            ]
        ):
            unit.variables.put(kept(value=str(number)), **ids)
    with store.reading() as unit:
        found = [unit.variables.of_workspace(one.id), unit.variables.of_workspace(other.id)]
        found += [each.variables for each in unit.variables.sets()]
    assert [[each.variable.value for each in inside] for inside in found] == [["0"], ["1"], ["2"], ["3"]]


def test_putting_a_set_anew_keeps_its_id_and_its_variables(store: SqlStore) -> None:
    with store.transaction() as unit:
        first = unit.variables.put_set(group(workspaces=("network",)))
        unit.variables.put(kept(), set_id=first.id)
        again = unit.variables.put_set(group(everywhere=True))
    assert (again.id, again.everywhere, again.workspaces) == (first.id, True, ())
    assert [one.variable.key for one in again.variables] == ["region"]


def test_removing(store: SqlStore) -> None:
    place = put(store)
    with store.transaction() as unit:
        one = unit.variables.put(kept(), workspace_id=place.id)
        company = unit.variables.put_set(group())
        unit.variables.put(kept(), set_id=company.id)
        unit.variables.remove(one.id)
        unit.variables.remove_set(company.id)
        unit.variables.remove("var-none")
        unit.variables.remove_set("varset-none")
    with store.reading() as unit:
        assert unit.variables.of_workspace(place.id) == []
        assert unit.variables.sets() == []


def test_sets_and_variables_come_in_plain_order(store: SqlStore) -> None:
    place = put(store)
    with store.transaction() as unit:
        for name in ("b", "a-b", "ab", "B"):
            unit.variables.put_set(group(name))
            unit.variables.put(kept(name), workspace_id=place.id)
    with store.reading() as unit:
        assert [one.name for one in unit.variables.sets()] == ["B", "a-b", "ab", "b"]
        assert [one.variable.key for one in unit.variables.of_workspace(place.id)] == ["B", "a-b", "ab", "b"]


@pytest.mark.parametrize("ids", [{"workspace_id": "ws-none"}, {"set_id": "varset-none"}])
def test_a_variable_has_an_owner_that_there_is(store: SqlStore, ids: dict[str, str]) -> None:
    with pytest.raises(NotFound), store.transaction() as unit:
        unit.variables.put(kept(), **ids)


def test_an_id_is_given_once(store: SqlStore) -> None:
    place, other = put(store), put(store, workspace("other"))
    one = kept()
    with pytest.raises(Conflict), store.transaction() as unit:
        unit.variables.put(one, workspace_id=place.id)
        unit.variables.put(one, workspace_id=other.id)
