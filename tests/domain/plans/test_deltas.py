"""What is new since a plan was approved: in a sentence, and attribute by attribute."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.domain.plans.delta import AttributeDelta, DeltaKind, DeltaRow, delta, sentence
from bot.domain.runs.masking import TextMasker
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
def test_what_is_new_since_an_approval_fits_in_a_line(
    before: list[tuple[str, str]], now: list[tuple[str, str]], words: str
) -> None:
    assert sentence(delta(plan(*before), plan(*now))) == words


def test_other_values_are_named_with_what_they_were_and_what_they_are() -> None:
    one = plan_json(change("a.b", "create", after={"size": 1, "name": "n"}))
    two = plan_json(change("a.b", "create", after={"size": 2, "name": "n", "tags": {"a": "b"}}))
    (row,) = delta(one, two)
    assert row == DeltaRow(
        DeltaKind.ALTERED,
        "+",
        "a.b",
        (AttributeDelta("size", "1", "2"), AttributeDelta("tags.a", "(not set)", '"b"')),
    )
    assert sentence((row,)) == "other values for a.b (size, tags.a)"


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


def test_a_long_value_is_cut_and_says_how_much_is_missing() -> None:
    one = plan_json(change("a.b", "create", after={"text": "a"}))
    two = plan_json(change("a.b", "create", after={"text": "b" * 500}))
    (row,) = delta(one, two)
    assert row.attributes[0].after == f'"{"b" * 80}"… (420 more characters)'


def test_the_part_that_differs_is_never_cut() -> None:
    def policy(principal: str) -> dict[str, Any]:
        statement = {"Action": "sts:AssumeRole", "Effect": "Allow", "Principal": {"AWS": principal}}
        about = {"Version": "2012-10-17", "Id": "a" * 100, "Statement": [statement]}
        after = {"name": "ci", "policy": json.dumps(about), "script": f"{'# ' * 60}{principal}"}
        return plan_json(change("aws_iam_role.ci", "update", after=after))

    (row,) = delta(policy("arn:aws:iam::123456789012:root"), policy("*"))
    told = {each.name: (each.before, each.after) for each in row.attributes}
    assert told["policy.Statement[0].Principal.AWS"] == ('"arn:aws:iam::123456789012:root"', '"*"')
    assert ["arn:aws:iam::123456789012:root" in told["script"][0], told["script"][1].endswith('# *"')] == [
        True
    ] * 2


def test_attributes_that_are_not_listed_are_counted() -> None:
    one, two = (plan_json(change("a.b", "update", after={f"n{i}": n for i in range(250)})) for n in (1, 2))
    (row,) = delta(one, two)
    assert len(row.attributes) + row.more == 250


def test_a_secret_is_hidden_before_a_text_is_cut() -> None:
    one = plan_json(change("a.b", "update", after={"text": "x" * 70 + "hunter2-hunter2-hunter2"}))
    two = plan_json(change("a.b", "update", after={"text": "x" * 70 + "hunter2-hunter2-hunter3"}))
    (row,) = delta(one, two, TextMasker(["hunter2-hunter2-hunter2"]).hide)
    assert "hunter2-hunter2-hunter2" not in row.attributes[0].before
    assert row.attributes[0].before != row.attributes[0].after


VALUES = st.dictionaries(st.sampled_from("abc"), st.none() | st.integers() | st.text(max_size=3), max_size=3)


@given(VALUES, VALUES)
def test_the_delta_of_two_plans_is_empty_exactly_where_their_values_are_the_same(one: Any, two: Any) -> None:
    before, now = (plan_json(change("a.b", "update", after=value)) for value in (one, two))
    rows = delta(before, now)
    told = {each.name[0] for row in rows for each in row.attributes}
    names = {*one, *two}
    assert told == {
        name for name in names if one.get(name) != two.get(name) or (name in one) != (name in two)
    }
