"""A plan as people read it: what is done to what, where it stands in the tree, and why."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from bot.domain.plans.view import ChangeKind, PlannedChange, PlanSection, modules_of, plan_view

PLANS = Path(__file__).parents[2] / "payloads" / "terraform"


def view(**document: Any) -> list[tuple[PlanSection, PlannedChange]]:
    return [(section, change) for section, change, _ in plan_view(document)]


def item(address: str, *actions: str, **more: Any) -> dict[str, Any]:
    inside = {name: more.pop(name) for name in ("importing", "replace_paths") if name in more}
    return {"address": address, "change": {"actions": list(actions), **inside}, **more}


@pytest.mark.parametrize(
    ("resource", "deed", "symbol"),
    [
        (item("a.b", "create"), ChangeKind.CREATE, "+"),
        (item("a.b", "update"), ChangeKind.UPDATE, "~"),
        (item("a.b", "delete"), ChangeKind.DESTROY, "-"),
        (item("a.b", "delete", "create"), ChangeKind.REPLACE, "-/+"),
        (item("a.b", "create", "delete"), ChangeKind.REPLACE, "+/-"),
        (item("data.a.b", "read"), ChangeKind.READ, "<="),
        (item("a.b", "forget"), ChangeKind.FORGET, "."),
        (item("a.b", "no-op", previous_address="a.a"), ChangeKind.MOVE, "→"),
        (item("a.b", "no-op", importing={"id": "i-1"}), ChangeKind.IMPORT, "⇣"),
    ],
    ids=lambda value: value.value if isinstance(value, ChangeKind) else "",
)
def test_what_is_done_has_its_sign(resource: dict[str, Any], deed: ChangeKind, symbol: str) -> None:
    [(section, change)] = view(resource_changes=[resource])
    assert (section, change.deed, change.symbol) == (PlanSection.CHANGES, deed, symbol)


def test_what_stays_as_it_is_is_left_out() -> None:
    assert view(resource_changes=[item("a.b", "no-op")], output_changes={"o": {"actions": ["no-op"]}}) == []
    assert view() == []
    assert view(resource_changes=None, resource_drift=None, output_changes=None) == []


def test_changes_stand_in_the_order_of_the_tree() -> None:
    names = ("module.b.x.y", "z.z", 'module.a["k.1"].module.c.x.y', 'module.a["k.1"].x.y', "a.a")
    items = [
        item(name, "create", module_address=name[:-4] if name.startswith("module") else "") for name in names
    ]
    found = [(change.module, change.name) for _, change in view(resource_changes=items)]
    assert found == [
        ("", "z.z"),
        ("", "a.a"),
        ('module.a["k.1"]', "x.y"),
        ('module.a["k.1"].module.c', "x.y"),
        ("module.b", "x.y"),
    ]
    assert modules_of('module.a["k.1"].module.c[0]') == ('module.a["k.1"]', "module.c[0]")


def test_a_replacement_says_what_forces_it_or_why_else() -> None:
    raw = item(
        "a.b",
        "delete",
        "create",
        replace_paths=[["zone"]],
        action_reason="replace_because_cannot_update",
    )
    [(_, change)] = view(resource_changes=[raw])
    assert (change.forced_by, change.reason) == (("zone",), "")
    [(_, asked)] = view(
        resource_changes=[item("a.b", "delete", "create", action_reason="replace_by_request")]
    )
    assert asked.reason == "asked for"
    [(_, new)] = view(resource_changes=[item("a.b", "delete", action_reason="delete_because_of_the_moon")])
    assert new.reason == "delete because of the moon"


def test_drift_and_outputs_stand_apart() -> None:
    found = view(
        resource_changes=[item("a.b", "update")],
        resource_drift=[item("a.c", "delete")],
        output_changes={"url": {"actions": ["create"], "before": None, "after": "x"}},
    )
    assert [(section.value, change.address) for section, change in found] == [
        ("changes", "a.b"),
        ("drift", "a.c"),
        ("outputs", "url"),
    ]


@pytest.mark.parametrize("name", ["create", "destroy", "move", "replace", "outputs"])
def test_real_plans_are_read(name: str) -> None:
    document = json.loads((PLANS / f"{name}.json").read_text())
    found = list(plan_view(document))
    assert found
    assert all(change.address for _, change, _ in found)


def test_what_is_nested_too_deep_is_shown_without_its_attributes() -> None:
    deep: dict[str, Any] = {}
    value = deep
    for _ in range(5000):
        value["a"] = {}
        value = value["a"]
    raw = {"actions": ["create"], "before": None, "after": deep}
    [(_, change, attributes)] = plan_view({"resource_changes": [{"address": "a.b", "change": raw}]})
    assert change.address == "a.b"
    assert attributes.changed == ()
