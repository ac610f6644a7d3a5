"""Promise 1: only an approved plan is applied, or one that differs in values that became known."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from bot.domain.plans.approved_plan import MadePlan, PlanMatch, match_plan
from bot.domain.plans.digest import DigestInputs, plan_digest
from tests.fakes.engine import change, plan_json

KEY = b"k" * 32
AROUND = DigestInputs(files="the files")
HERE = object()

SCALARS = st.none() | st.booleans() | st.integers(0, 3) | st.text("ab", max_size=2)
NAMES = st.sampled_from(["id", "name", "tags", "size"])


def made(document: dict[str, Any], around: DigestInputs = AROUND) -> MadePlan:
    return MadePlan(plan_digest(document, KEY, around), document, around)


def judged(approved: dict[str, Any], now: dict[str, Any], *, waited: bool = True) -> PlanMatch:
    old = made(approved)
    return match_plan(old.digest, old, made(now), waited=waited)


class Unknown:
    """A value that the approved plan did not know. `then` is what it becomes."""

    def __init__(self, then: Any) -> None:
        self.then = then


VALUES = st.recursive(
    SCALARS | st.builds(Unknown, SCALARS | st.lists(SCALARS, max_size=2)),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=8,
)


def before_it_was_known(value: Any) -> tuple[Any, Any]:
    """Return a value and its marks as in Terraform's JSON of the approved plan."""
    match value:
        case Unknown():
            return HERE, True
        case dict():
            parts = {name: before_it_was_known(each) for name, each in value.items()}
            known = {name: each for name, (each, _) in parts.items() if each is not HERE}
            return known, {name: mark for name, (_, mark) in parts.items() if mark}
        case list():
            items = [before_it_was_known(each) for each in value]
            return [None if each is HERE else each for each, _ in items], [mark for _, mark in items]
        case _:
            return value, False


def as_known(value: Any) -> Any:
    match value:
        case Unknown():
            return value.then
        case dict():
            return {name: as_known(each) for name, each in value.items()}
        case list():
            return [as_known(each) for each in value]
        case _:
            return value


@st.composite
def plans(draw: st.DrawFn) -> tuple[dict[str, Any], dict[str, Any]]:
    """A plan with unknown values, and the same one after they became known."""
    old, new = [], []
    for index in range(draw(st.integers(1, 3))):
        value = draw(st.dictionaries(NAMES, VALUES, min_size=1, max_size=4))
        actions = draw(st.sampled_from([("create",), ("update",), ("delete", "create")]))
        before = None if actions == ("create",) else draw(st.dictionaries(NAMES, SCALARS, max_size=2))
        paths = [["name"], ["size"]] if actions == ("delete", "create") else []
        after, marks = before_it_was_known(value)
        one = change(f"a.r{index}", *actions, before=before, after=after)
        one["change"] |= {"after_unknown": marks, "replace_paths": list(paths)}
        other = change(f"a.r{index}", *actions, before=before, after=as_known(value))
        other["change"]["replace_paths"] = draw(st.sampled_from([list(paths), paths[:1]]))
        old.append(one)
        new.append(other)
    return plan_json(*old), plan_json(*new)


@given(plans())
def test_values_that_became_known_are_covered_only_if_the_run_waited(
    pair: tuple[dict[str, Any], dict[str, Any]],
) -> None:
    approved, now = pair
    same = made(approved).digest == made(now).digest
    assert judged(approved, now) is (PlanMatch.SAME if same else PlanMatch.BECAME_KNOWN)
    assert judged(approved, now, waited=False) is (PlanMatch.SAME if same else PlanMatch.OTHER)
    assert judged(approved, approved) is PlanMatch.SAME
    # What was known never becomes unknown again under the approval.
    some = any("True" in str(each["change"]["after_unknown"]) for each in approved["resource_changes"])
    assert not some or judged(now, approved) is PlanMatch.OTHER


def leaves(value: Any, marks: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the paths to all scalars that the approved plan knew."""
    if marks is True:
        return []
    if isinstance(value, dict):
        inner = marks if isinstance(marks, dict) else {}
        return [p for name, each in value.items() for p in leaves(each, inner.get(name), (*path, name))]
    if isinstance(value, list):
        each_mark = marks if isinstance(marks, list) else [False] * len(value)
        return [p for i, each in enumerate(value) for p in leaves(each, each_mark[i], (*path, i))]
    return [path]


def at(value: Any, path: tuple[Any, ...]) -> Any:
    for step in path:
        value = value[step]
    return value


@given(plans(), st.data())
def test_no_value_that_was_known_may_be_another(
    pair: tuple[dict[str, Any], dict[str, Any]], data: st.DataObject
) -> None:
    approved, now = pair
    found = [
        (index, path)
        for index, each in enumerate(approved["resource_changes"])
        for path in leaves(each["change"]["after"], each["change"]["after_unknown"])
    ]
    assume(found)
    index, path = data.draw(st.sampled_from(found))
    within = at(now["resource_changes"][index]["change"]["after"], path[:-1])
    old = within[path[-1]]
    new: Any = data.draw(SCALARS | st.just([]) | st.just({}))
    assume(type(new) is not type(old) or new != old)
    within[path[-1]] = new
    assert judged(approved, now) is PlanMatch.OTHER


@given(plans(), st.data())
def test_no_value_that_was_known_may_be_unknown_or_missing(
    pair: tuple[dict[str, Any], dict[str, Any]], data: st.DataObject
) -> None:
    approved, now = pair
    found = [
        (index, name)
        for index, each in enumerate(approved["resource_changes"])
        for name in each["change"]["after"]
        if each["change"]["after_unknown"].get(name) is None
    ]
    assume(found)
    index, name = data.draw(st.sampled_from(found))
    del now["resource_changes"][index]["change"]["after"][name]
    assert judged(approved, now) is PlanMatch.OTHER
    now["resource_changes"][index]["change"]["after_unknown"] = {name: True}
    assert judged(approved, now) is PlanMatch.OTHER


def _more(plan: dict[str, Any]) -> None:
    plan["resource_changes"].append(change("a.more"))


def _other_address(plan: dict[str, Any]) -> None:
    plan["resource_changes"][0]["address"] = "a.other"


def _other_actions(plan: dict[str, Any]) -> None:
    plan["resource_changes"][0]["change"]["actions"] = ["delete"]


def _other_before(plan: dict[str, Any]) -> None:
    plan["resource_changes"][0]["change"]["before"] = {"name": "another"}


def _more_replaced(plan: dict[str, Any]) -> None:
    plan["resource_changes"][0]["change"]["replace_paths"].append(["id"])


def _more_values(plan: dict[str, Any]) -> None:
    plan["resource_changes"][0]["change"]["after"]["more"] = 1


def _secret_told(plan: dict[str, Any]) -> None:
    plan["resource_changes"][0]["change"]["after_sensitive"] = {"more": True}


def _output(plan: dict[str, Any]) -> None:
    plan["output_changes"]["more"] = {"actions": ["create"], "before": None, "after": 1}


def _variable(plan: dict[str, Any]) -> None:
    plan["variables"] = {"region": {"value": "other"}}


def _moved(plan: dict[str, Any]) -> None:
    plan["resource_changes"][0]["previous_address"] = "a.before"


@pytest.mark.parametrize(
    "alter",
    [
        _more, _other_address, _other_actions, _other_before, _more_replaced, _more_values, _secret_told,
        _output, _variable, _moved,
    ],
)  # fmt: skip
@given(plans())
def test_nothing_else_of_a_plan_may_differ(
    alter: Callable[[dict[str, Any]], None], pair: tuple[dict[str, Any], dict[str, Any]]
) -> None:
    approved, now = pair
    alter(now)
    assert judged(approved, now) is PlanMatch.OTHER
    # Fewer paths may force a replacement.
    assert alter is _more_replaced or judged(now, approved) is PlanMatch.OTHER


@given(plans())
def test_other_files_other_providers_and_a_lost_plan_are_never_covered(
    pair: tuple[dict[str, Any], dict[str, Any]],
) -> None:
    approved, now = map(made, pair)
    assume(approved.digest != now.digest)
    for around in (
        DigestInputs(files="others"),
        DigestInputs(files=""),
        DigestInputs(files="the files", environment={"REGION": "x"}),
        DigestInputs(b'provider "example.com/a/b" {\n  version = "1.0.0"\n}\n', "the files"),
    ):
        other = made(copy.deepcopy(pair[1]), around)
        assert match_plan(approved.digest, approved, other, waited=True) is PlanMatch.OTHER
    assert match_plan(approved.digest, None, now, waited=True) is PlanMatch.OTHER
    assert match_plan("another", approved, now, waited=True) is PlanMatch.OTHER
    assert match_plan("", MadePlan("", pair[0], AROUND), now, waited=True) is PlanMatch.OTHER


def test_an_output_may_become_known() -> None:
    unknown = {"actions": ["create"], "before": None, "after": None, "after_unknown": True}
    known = {"actions": ["create"], "before": None, "after": "vpc-1", "after_unknown": False}
    approved, now = plan_json(change("a.b")), plan_json(change("a.b"))
    approved["output_changes"], now["output_changes"] = {"id": unknown}, {"id": known}
    assert judged(approved, now) is PlanMatch.BECAME_KNOWN
    assert judged(now, approved) is PlanMatch.OTHER
