"""What a change does to attributes: values before and after, and what of them is hidden or not known yet."""

from __future__ import annotations

import json
from typing import Any

import pytest

from bot.domain.plans.attributes import AttributeForm, attributes, forced_by


def change(before: Any, after: Any, **more: Any) -> dict[str, Any]:
    return {"actions": ["update"], "before": before, "after": after, **more}


def rows(before: Any, after: Any, **more: Any) -> list[tuple[str, str, str | None, str | None]]:
    found = attributes(change(before, after, **more)).changed
    return [(each.sign, each.name, each.before, each.after) for each in found]


def test_only_what_differs_is_told_and_the_rest_is_counted() -> None:
    found = attributes(change({"a": 1, "b": "x", "c": None}, {"a": 2, "b": "x", "c": None}))
    assert [(each.name, each.before, each.after) for each in found.changed] == [("a", "1", "2")]
    assert found.unchanged == 1


def test_objects_are_told_attribute_by_attribute() -> None:
    before = {"tags": {"Name": "a", "old": "x", "same": "s"}}
    after = {"tags": {"Name": "b", "new key": "y", "same": "s"}}
    assert rows(before, after) == [
        ("~", "tags.Name", '"a"', '"b"'),
        ("+", 'tags["new key"]', None, '"y"'),
        ("-", "tags.old", '"x"', None),
    ]


def test_a_new_resource_has_only_values_after() -> None:
    assert rows(None, {"name": "n", "size": 3, "none": None}, after_unknown={"id": True}) == [
        ("+", "id", None, "(known after apply)"),
        ("+", "name", None, '"n"'),
        ("+", "size", None, "3"),
    ]
    assert rows({"name": "n"}, None) == [("-", "name", '"n"', None)]


def test_what_is_unknown_within_a_value_says_so() -> None:
    found = rows({"ports": [1, 2]}, {"ports": [1]}, after_unknown={"ports": [False, True]})
    assert found == [("~", "ports", "[1, 2]", "[1]")]
    found = rows({"ports": [1, 2]}, {"ports": [1, None]}, after_unknown={"ports": [False, True]})
    assert found == [("~", "ports", "[1, 2]", "[1, (known after apply)]")]
    assert rows({"block": None}, {"block": {}}, after_unknown={"block": {"id": True}}) == [
        ("+", "block.id", None, "(known after apply)")
    ]


@pytest.mark.parametrize(
    ("marks", "name"),
    [
        ({"after_sensitive": {"password": True}}, "password"),
        ({"before_sensitive": {"password": True}, "after_sensitive": {"password": True}}, "password"),
        ({"before_sensitive": True, "after_sensitive": True}, ""),
    ],
)
def test_a_sensitive_value_is_never_told(marks: dict[str, Any], name: str) -> None:
    found = attributes(change({"password": "was"}, {"password": "becomes"}, **marks)).changed
    assert name in [each.name for each in found]
    after = [each.after for each in found]
    assert "(sensitive value)" in after
    assert "becomes" not in repr(after)


def test_a_sensitive_value_within_a_value_is_hidden_there() -> None:
    marks = {
        "before_sensitive": {"users": [{"key": True}]},
        "after_sensitive": {"users": [{"key": True}]},
    }
    [(_, name, before, after)] = rows(
        {"users": [{"name": "a", "key": "k1"}]}, {"users": [{"name": "a", "key": "k2"}]}, **marks
    )
    assert name == "users"
    assert before is not None and after is not None
    assert before == after == '[{key = (sensitive value), name = "a"}]' or "k1" not in before + after
    assert "k1" not in before
    assert "k2" not in after
    same = {"users": [{"name": "a", "key": "k1"}]}
    assert rows(same, same, **marks) == []


def test_the_attributes_that_force_a_replacement_say_so() -> None:
    raw = change(
        {"zone": "a", "tags": {"x": "1"}, "size": 1},
        {"zone": "b", "tags": {"x": "2"}, "size": 2},
        replace_paths=[["zone"], ["tags", "x"]],
    )
    forcing = {each.name: each.forces for each in attributes(raw).changed}
    assert forcing == {"size": False, "tags.x": True, "zone": True}
    assert forced_by(raw) == ("zone", "tags.x")
    assert forced_by(change({}, {}, replace_paths=[["ingress", 0, "from port"]])) == (
        'ingress[0]["from port"]',
    )


def test_values_of_many_lines_are_blocks() -> None:
    [text] = attributes(change({"script": "a\nb"}, {"script": "a\nc"})).changed
    assert (text.form, text.before, text.after) == (AttributeForm.TEXT, "a\nb", "a\nc")
    [document] = attributes(
        change({"policy": '{"a":[1,2]}'}, {"policy": json.dumps({"a": [1, 3], "b": {}})})
    ).changed
    assert document.form is AttributeForm.JSON
    assert document.after == '{\n  "a": [\n    1,\n    3\n  ],\n  "b": {}\n}'
    long = [{"cidr": f"10.{number}.0.0/16"} for number in range(6)]
    [listed] = attributes(change({"routes": long[:5]}, {"routes": long})).changed
    assert listed.form is AttributeForm.LIST
    assert listed.after is not None
    assert '    cidr = "10.5.0.0/16"' in listed.after.split("\n")


def test_a_string_that_is_no_json_stays_in_its_line() -> None:
    assert rows({"a": "[x"}, {"a": "{y"}) == [("~", "a", '"[x"', '"{y"')]
    assert rows({"a": "1"}, {"a": "2"}) == [("~", "a", '"1"', '"2"')]


def test_a_value_of_another_type_is_another_value() -> None:
    assert rows({"a": 1}, {"a": True}) == [("~", "a", "1", "true")]
    assert rows({"a": [0]}, {"a": [False]}) == [("~", "a", "[0]", "[false]")]


def test_what_is_very_long_is_cut_and_says_so() -> None:
    [found] = attributes(change(None, {"data": "x" * 30_000})).changed
    assert found.after is not None
    assert found.after.endswith("… (10,002 more characters)")
    many = attributes(change(None, {f"a{number}": 1 for number in range(500)}))
    assert (len(many.changed), many.more) == (400, 100)


def test_what_differs_at_the_end_of_a_long_value_is_not_cut_off() -> None:
    statements = [{"Sid": f"Statement{number}", "Action": ["s3:GetObject"]} for number in range(900)]
    before, after = ([*statements, {"Sid": "last", "Action": [action]}] for action in ("s3:List*", "s3:*"))
    for old, new in (
        (json.dumps({"Statement": before}), json.dumps({"Statement": after})),
        (before, after),
        ("x" * 50_000 + " s3:List*", "x" * 50_000 + " s3:*"),
        ("line\n" * 9000 + "s3:List*", "line\n" * 9000 + "s3:*"),
    ):
        [found] = attributes(change({"policy": old}, {"policy": new})).changed
        assert found.before is not None and found.after is not None
        assert "s3:List*" in found.before and "s3:*" in found.after
        assert "characters before) …" in found.before
        assert max(len(found.before), len(found.after)) < 3000


def test_a_secret_is_hidden_before_a_long_value_is_cut() -> None:
    text = "x" * 19_990 + "correct horse battery" + "y" * 9000
    [found] = attributes(
        change(None, {"data": text}), lambda it: it.replace("correct horse battery", "***")
    ).changed
    assert found.after is not None
    assert "***" in found.after and "correct" not in found.after


def test_marks_of_any_shape_spoil_nothing() -> None:
    for marks in (None, False, [], {}, "x", [True], {"a": {"b": [True]}}):
        found = attributes(change({"a": [1]}, {"a": [2]}, after_unknown=marks, after_sensitive=marks))
        assert len(found.changed) == 1
