"""What a plan of the applied configuration says has drifted."""

from __future__ import annotations

from typing import Any

import pytest

from bot.domain.workspaces.drift import DriftIgnore
from bot.domain.workspaces.drifted import DriftedResource, hidden, read_drift


def item(address: str, *actions: str, before: Any = None, after: Any = None, **more: Any) -> dict[str, Any]:
    return {
        "address": address,
        "change": {"actions": list(actions), "before": before, "after": after},
        **more,
    }


def drift(*outside: Any, planned: tuple[Any, ...] = (), ignore: tuple[DriftIgnore, ...] = ()) -> Any:
    return read_drift({"resource_drift": list(outside), "resource_changes": list(planned)}, ignore)


def test_a_plan_that_finds_nothing_shows_no_drift() -> None:
    assert drift(planned=(item("a.b", "no-op"), item("data.a.b", "read", mode="data"))) == ()
    assert read_drift({}, ()) == ()


def test_a_resource_that_was_changed_and_would_be_changed_back_is_one() -> None:
    changed = item("a.b", "update", before={"x": 1, "y": 1}, after={"x": 2, "y": 1})
    back = item("a.b", "update", before={"x": 2, "y": 1}, after={"x": 1, "y": 1})
    assert drift(changed, planned=(back,)) == (DriftedResource("a.b", "changed", "update", ("x",)),)


def test_a_deleted_resource_would_be_created_again() -> None:
    (found,) = drift(item("a.b", "delete", before={"x": 1}), planned=(item("a.b", "create", after={"x": 1}),))
    assert found.words == "deleted outside of Terraform; an apply would create it"


def test_drift_that_the_configuration_does_not_mind_is_drift() -> None:
    (found,) = drift(item("a.b", "update", before={"x": 1}, after={"x": 2}))
    assert found.words == "changed outside of Terraform: x; an apply would change nothing"


@pytest.mark.parametrize("actions", [("create", "delete"), ("delete", "create")])
def test_both_orders_of_a_replacement_are_one_word(actions: tuple[str, ...]) -> None:
    assert drift(planned=(item("a.b", *actions),))[0].planned == "replace"


def test_outputs_count_and_can_be_ignored() -> None:
    document = {"output_changes": {"ip": {"actions": ["update"]}, "id": {"actions": ["no-op"]}}}
    assert [each.address for each in read_drift(document, ())] == ["output.ip"]
    assert read_drift(document, (DriftIgnore("output.*"),)) == ()


def test_attributes_that_are_ignored_leave_the_others_and_never_a_deletion() -> None:
    rules = (DriftIgnore("*", ("tags",)),)
    both = item("a.b", "update", before={"tags": 1, "x": 1}, after={"tags": 2, "x": 2})
    only = item("a.c", "update", before={"tags": 1}, after={"tags": 2})
    gone = item("a.d", "delete", before={"tags": 1})
    assert [(each.address, each.attributes) for each in drift(both, only, gone, ignore=rules)] == [
        ("a.b", ("x",)),
        ("a.d", ()),
    ]


def test_no_value_is_kept_and_secrets_in_addresses_are_hidden() -> None:
    (found,) = drift(item('a.b["hunter2"]', "update", before={"x": "old"}, after={"x": "hunter2"}))
    shown = hidden(found, lambda text: text.replace("hunter2", "***"))
    assert "hunter2" not in repr(shown)
    assert "old" not in repr(shown)


def test_a_resource_that_only_moved_or_has_no_changed_attribute_has_not_drifted() -> None:
    same = {"x": 1, "y": {"z": None}}
    moved = item("a.new", "no-op", before=same, after=same, previous_address="a.old")
    touched = item("a.b", "update", before=same, after=same)
    assert drift(moved, touched, planned=(touched,)) == ()
    (found,) = drift(moved, planned=(item("a.new", "update", before={"x": 1}, after={"x": 2}),))
    assert found == DriftedResource("a.new", "", "update", ("x",))


def test_rules_see_all_attributes_before_the_list_is_cut() -> None:
    many = {f"a{number:03}": 1 for number in range(30)}
    changed = item("a.b", "update", before=many, after=dict.fromkeys(many, 2))
    (found,) = drift(changed, ignore=(DriftIgnore("*", ("a00*", "a01*")),))
    assert found.attributes == tuple(f"a{number:03}" for number in range(20, 30))
