"""What differs between two states, and that nothing of it shows that nobody said may show."""

from __future__ import annotations

import json
from typing import Any

from bot.domain.plans.attributes import SENSITIVE
from bot.domain.states.diff import StateChangeKind, StateDelta, compare, marks_of, together


def resource(
    address: str, *instances: dict[str, object], module: str = "", mode: str = "managed"
) -> dict[str, Any]:
    kind, name = address.split(".")
    about = {"mode": mode, "type": kind, "name": name, "instances": list(instances)}
    return about | ({"module": module} if module else {})


def one(attributes: dict[str, object], **about: object) -> dict[str, object]:
    return {"attributes": attributes, **about}


def state(*resources: dict[str, object], **outputs: object) -> bytes:
    listed = {name: value if isinstance(value, dict) else {"value": value} for name, value in outputs.items()}
    return json.dumps({"version": 4, "resources": list(resources), "outputs": listed}).encode()


def plan(*resources: dict[str, object], child: tuple[dict[str, object], ...] = ()) -> dict[str, Any]:
    module = {"resources": list(resources), "child_modules": [{"resources": list(child)}]}
    return {"prior_state": {"values": {"root_module": module}}}


def told(*kinds: str) -> dict[str, frozenset[tuple[str, ...]]]:
    return {kind: frozenset() for kind in kinds}


def rows(delta: StateDelta) -> dict[tuple[str, str], dict[str, tuple[str | None, str | None]]]:
    return {
        (each.kind.value, each.address): {
            row.name: (row.before, row.after) for row in each.attributes().changed
        }
        for each in delta.resources
    }


def test_resources_are_told_apart_by_instance_and_module() -> None:
    before = state(
        resource("aws_vpc.main", one({"cidr": "10.0.0.0/16", "id": "vpc"})),
        resource("aws_subnet.it", one({"zone": "a"}, index_key="a"), one({"zone": "b"}, index_key=1)),
        resource("aws_eip.gone", one({"ip": "1.2.3.4"})),
        resource("aws_ami.read", one({"id": "ami"}), mode="data"),
    )
    after = state(
        resource("aws_vpc.main", one({"cidr": "10.0.0.0/15", "id": "vpc"})),
        resource("aws_subnet.it", one({"zone": "a"}, index_key="a"), one({"zone": "c"}, index_key=1)),
        resource("aws_eip.new", one({"ip": "4.3.2.1"}), module='module.x["k"]'),
        resource("aws_ami.read", one({"id": "ami"}), mode="data"),
    )
    found = compare(before, after, told("aws_vpc", "aws_subnet", "aws_eip"))
    assert rows(found) == {
        ("removed", "aws_eip.gone"): {"ip": ('"1.2.3.4"', None)},
        ("changed", "aws_subnet.it[1]"): {"zone": ('"b"', '"c"')},
        ("changed", "aws_vpc.main"): {"cidr": ('"10.0.0.0/16"', '"10.0.0.0/15"')},
        ("added", 'module.x["k"].aws_eip.new'): {"ip": (None, '"4.3.2.1"')},
    }
    assert found.same == 2
    assert compare(after, after, {}).resources == ()


def test_no_value_shows_of_a_type_that_no_plan_has_told_of() -> None:
    before, after = (state(resource("odd_thing.it", one({"size": n, "same": 1}))) for n in (7, 8))
    [found] = compare(before, after, told("other_thing")).resources
    assert found.told is None
    assert [(row.name, row.before, row.after) for row in found.attributes().changed] == [
        ("size", SENSITIVE, SENSITIVE)
    ]
    [added] = compare(state(), after, {}).resources
    assert {row.after for row in added.attributes().changed} == {SENSITIVE}


def test_what_a_plan_marks_is_hidden_in_every_place_of_a_list() -> None:
    marks = marks_of(
        plan(
            {
                "type": "db",
                "values": {},
                "sensitive_values": {"pin": True, "nodes": [{}, {"pin": True}], "tags": {}},
            },
            child=({"type": "net", "sensitive_values": {}},),
        )
    )
    before = state(resource("db.it", one({"pin": 1, "nodes": [{"pin": 5, "zone": "a"}], "size": 1})))
    after = state(resource("db.it", one({"pin": 2, "nodes": [{"pin": 6, "zone": "b"}], "size": 2})))
    [found] = compare(before, after, marks).resources
    shown = {row.name: (row.before, row.after) for row in found.attributes().changed}
    assert shown["pin"] == (SENSITIVE, SENSITIVE)
    assert shown["size"] == ("1", "2")
    assert "5" not in str(shown["nodes"]) and "6" not in str(shown["nodes"])
    assert "zone" in str(shown["nodes"])
    assert marks["net"] == frozenset()


def test_what_the_state_marks_or_what_sounds_secret_is_hidden() -> None:
    path = [{"type": "get_attr", "value": "note"}]
    before = state(resource("db.it", one({"note": "old", "api_token": "t1", "x": {"password": "p1"}})))
    after = state(
        resource(
            "db.it",
            one({"note": "new", "api_token": "t2", "x": {"password": "p2"}}, sensitive_attributes=[path]),
        )
    )
    [found] = compare(before, after, told("db")).resources
    assert {(row.before, row.after) for row in found.attributes().changed} == {(SENSITIVE, SENSITIVE)}


def test_outputs_differ_and_a_sensitive_one_is_hidden_on_both_sides() -> None:
    before = state(gone=1, same="x", opened={"value": "s1", "sensitive": True}, size=[1])
    after = state(came="y", same="x", opened={"value": "s2", "sensitive": False}, size=[1, 2])
    found = {
        each.name: (each.kind, [(row.before, row.after) for row in each.attributes.changed])
        for each in compare(before, after, {}).outputs
    }
    assert found == {
        "came": (StateChangeKind.ADDED, [(None, '"y"')]),
        "gone": (StateChangeKind.REMOVED, [("1", None)]),
        "opened": (StateChangeKind.CHANGED, [(SENSITIVE, SENSITIVE)]),
        "size": (StateChangeKind.CHANGED, [("[1]", "[1, 2]")]),
    }


def test_what_is_no_state_and_no_plan_differs_from_nothing() -> None:
    for odd in (b"", b"{", b"[]", b'{"resources": {"a": 1}, "outputs": []}', b'{"resources": [1, {}]}'):
        assert compare(odd, odd, {}).resources == ()
    odd_instances = state({"type": "a", "name": "b", "instances": [1, {"attributes": 3}]})
    assert [each.address for each in compare(b"", odd_instances, {}).resources] == ["a.b"]
    for document in (
        {},
        {"prior_state": 1},
        {"prior_state": {"values": {"root_module": {"resources": [1]}}}},
    ):
        assert marks_of(document) == {}


def test_what_several_plans_say_counts_together() -> None:
    first = marks_of(plan({"type": "a", "sensitive_values": {"x": True}}))
    second = marks_of(plan({"type": "a", "sensitive_values": {"y": True}}))
    assert together([first, second]) == {"a": frozenset({("x",), ("y",)})}
    assert together([]) == {}
