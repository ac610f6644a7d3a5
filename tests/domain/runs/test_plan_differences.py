"""How two plans differ: leaf by leaf, with the part that differs in sight."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.domain.plan_diff import PlanDifference, differences
from bot.domain.runs.masking import TextMasker
from tests.fakes.engine import change, plan_json


def planned(value: Any, **marks: Any) -> dict[str, Any]:
    item = change("a.b", "create", after={"v": value})
    item["change"].update(marks)
    return plan_json(item)


def told(old: Any, new: Any) -> list[tuple[str, str, str]]:
    return [(each.path, each.old, each.new) for each in differences(planned(old), planned(new))]


@pytest.mark.parametrize(
    ("old", "new", "rows"),
    [
        (1, 1, []),
        (1, 2, [("v", "1", "2")]),
        (1, True, [("v", "1", "true")]),
        ("1", 1, [("v", '"1"', "1")]),
        (None, "x", [("v", "null", '"x"')]),
        ({"a": 1}, {"a": 1, "b c": None}, [('v["b c"]', "(not set)", "null")]),
        (["a", "b"], ["a", "c"], [("v[1]", '"b"', "(not set)"), ("v[1]", "(not set)", '"c"')]),
        ([{"a": 1}], [{"a": 2}], [("v[0].a", "1", "2")]),
        ("x\ny\nz", "x\nY\nz\n", [("v (line 2)", '"y"', '"Y"'), ("v (line 4)", "(no such line)", '""')]),
        ('{"a": [1]}', '{"a": [2]}', [("v.a[0]", "1", "(not set)"), ("v.a[0]", "(not set)", "2")]),
        ('{"a": 1}', '{"a":1}', [("v", '"{\\"a\\": 1}"', '"{\\"a\\":1}"')]),
        ("x", {"a": "y"}, [("v", '"x"', "(an object of 1 attribute)"), ("v.a", "(not set)", '"y"')]),
        ("root", "r\u043eot", [("v", '"root"', '"r\\u043eot"')]),
        ("a  b", "a b", [("v", '"a\\u0020\\u0020b"', '"a b"')]),
        ("a|b", "a\u00a6b", [("v", '"a|b"', '"a\\u00a6b"')]),
    ],
)
def test_each_leaf_that_differs_is_told(old: Any, new: Any, rows: Any) -> None:
    assert told(old, new) == rows


def test_a_long_text_is_shown_around_its_first_difference() -> None:
    ((_, old, new),) = told("x" * 5000 + "root" + "y" * 100, "x" * 5000 + "*" + "y" * 100)
    assert "xroot" in old
    assert "x*" in new
    assert (old[:25], old[-22:]) == ("(4,968 characters before)", "… (56 more characters)")


def test_objects_that_only_one_plan_has_and_other_deeds_are_told() -> None:
    old = plan_json(change("a.b", "update", before={}, after={}), change("a.c", "create", after={"x": 1}))
    new = plan_json(change("a.b", "delete", "create", before={}, after={}), outputs={"o": ["create"]})
    assert differences(old, new) == (
        PlanDifference("a.b", "", "update", "delete then create"),
        PlanDifference("a.c", "", "create", "(not set)"),
        PlanDifference("output.o", "", "(not set)", "create"),
    )


def test_what_is_found_and_why_it_changes_is_compared_as_well() -> None:
    old, new = (
        change("a.b", "update", before={"x": n}, after={"x": 3}, previous_address=f"a.c{n}") for n in (1, 2)
    )
    found = [(each.path, each.old, each.new) for each in differences(plan_json(old), plan_json(new))]
    assert found == [("x (before)", "1", "2"), ("(moved from)", '"a.c1"', '"a.c2"')]
    gone = [plan_json(change("a.b", "delete", before={"x": n})) for n in (1, 2)]
    assert [each.path for each in differences(*gone)] == ["x"]


def test_of_a_sensitive_value_only_that_it_differs_is_told() -> None:
    marked = [
        planned({"p": word, "q": 1}, after_sensitive={"v": {"p": True}}) for word in ("hush-1", "hush-2")
    ]
    (row,) = differences(*marked)
    assert row == PlanDifference("a.b", "v.p", "(sensitive value differs)", "(sensitive value differs)", True)
    assert differences(marked[0], marked[0]) == ()
    assert [each.sensitive for each in differences(marked[0], planned({"p": "hush-1", "q": 1}))] == [True]


def test_a_value_that_is_not_known_yet_differs_from_one_that_is() -> None:
    unknown = planned(None, after_unknown={"v": True})
    assert [(each.old, each.new) for each in differences(planned("x"), unknown)] == [
        ('"x"', "(known after apply)")
    ]


def test_known_secrets_are_hidden_and_still_told_apart() -> None:
    hide = TextMasker(["hunter-2", "hunter-3"]).hide
    (row,) = differences(planned("x hunter-2"), planned("x hunter-3"), hide=hide)
    assert row.old == row.new == '"x ***" (the secrets in it differ)'


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
    max_leaves=12,
)


@settings(deadline=None)
@given(VALUES, VALUES)
def test_two_plans_have_a_difference_exactly_where_their_values_are_others(old: Any, new: Any) -> None:
    found = told(old, new)
    same = json.dumps(old, sort_keys=True) == json.dumps(new, sort_keys=True)
    assert (found == []) == same
    assert all(left != right for _, left, right in found)
