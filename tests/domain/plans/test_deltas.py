"""What is new since a plan was approved: in a sentence, and attribute by attribute."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.domain.delta import AttributeDelta, DeltaRow, Kind, delta, sentence
from tests.fakes.engine import change, plan_json


def plan(*pairs: tuple[str, str]) -> dict[str, Any]:
    return plan_json(*(change(address, *actions.split()) for address, actions in pairs))


@pytest.mark.parametrize(
    ("before", "now", "words"),
    [
        ([("a.b", "create")], [("a.b", "create")], ""),
        ([], [("a.b", "create")], "+ a.b"),
        ([], [("data.a.b", "read")], "<= data.a.b"),
        ([("a.b", "create")], [], "no longer + a.b"),
        ([("a.b", "update")], [("a.b", "delete create")], "-/+ a.b; no longer ~ a.b"),
        ([], [(f"a.{n}", "delete") for n in range(7)], "- a.0, - a.1, - a.2, - a.3, - a.4 and 2 more"),
        ([("a.b", "no-op")], [], ""),
    ],
)
def test_what_is_new_since_an_approval_fits_in_a_line(before, now, words) -> None:  # type: ignore[no-untyped-def]
    assert sentence(delta(plan(*before), plan(*now))) == words


def test_other_values_are_named_with_what_they_were_and_what_they_are() -> None:
    one = plan_json(change("a.b", "create", after={"size": 1, "name": "n"}))
    two = plan_json(change("a.b", "create", after={"size": 2, "name": "n", "tags": {"a": "b"}}))
    (row,) = delta(one, two)
    assert row == DeltaRow(
        Kind.ALTERED,
        "+",
        "a.b",
        (AttributeDelta("size", "1", "2"), AttributeDelta("tags", "(not set)", '{"a": "b"}')),
    )
    assert sentence((row,)) == "other values for a.b (size, tags)"


def test_a_value_that_is_not_known_yet_says_so() -> None:
    one = plan_json(change("a.b", "create", after={"size": 1}))
    two = plan_json(change("a.b", "create", after={}))
    two["resource_changes"][0]["change"]["after_unknown"] = {"size": True}
    (row,) = delta(one, two)
    assert row.attributes == (AttributeDelta("size", "1", "(known after apply)"),)


def test_of_a_sensitive_attribute_only_the_name_is_told() -> None:
    plans = [plan_json(change("a.b", "update", after={"token": word})) for word in ("hush", "hush more")]
    plans[1]["resource_changes"][0]["change"]["after_sensitive"] = {"token": True}
    for before, now in (plans, plans[::-1]):
        (row,) = delta(before, now)
        assert row.attributes == (AttributeDelta("token"),)


def test_outputs_are_told_too() -> None:
    one, two = plan_json(), plan_json(outputs={"size": ["create"]})
    assert sentence(delta(one, two)) == "+ output.size"
    three = plan_json(outputs={"size": ["create"]})
    three["output_changes"]["size"]["after"] = "other"
    assert sentence(delta(two, three)) == "other values for output.size (value)"


def test_a_long_value_is_cut() -> None:
    one = plan_json(change("a.b", "create", after={"text": "a"}))
    two = plan_json(change("a.b", "create", after={"text": "b" * 500}))
    (row,) = delta(one, two)
    assert len(row.attributes[0].after) == 80
    assert row.attributes[0].after.endswith("…")


VALUES = st.dictionaries(st.sampled_from("abc"), st.none() | st.integers() | st.text(max_size=3), max_size=3)


@given(VALUES, VALUES)
def test_the_delta_of_two_plans_is_empty_exactly_where_their_values_are_the_same(one: Any, two: Any) -> None:
    rows = delta(*(plan_json(change("a.b", "update", after=value)) for value in (one, two)))
    told = {name for row in rows for name in (each.name for each in row.attributes)}
    names = {*one, *two}
    assert told == {
        name for name in names if one.get(name) != two.get(name) or (name in one) != (name in two)
    }
