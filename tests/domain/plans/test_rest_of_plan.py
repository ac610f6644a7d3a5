"""Promise 1: after an apply that failed half-way, only what is left of the approved plan goes on."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from bot.domain.plans.approved_plan import MadePlan
from bot.domain.plans.digest import DigestInputs, plan_digest
from bot.domain.plans.rest_of_plan import HalfDone, Rest, StateObject, rest_of
from bot.domain.states.instances import read_objects
from tests.fakes.engine import change, plan_json

KEY = b"k" * 32
AROUND = DigestInputs(files="the files")
KINDS = {
    "create": ["create"],
    "update": ["update"],
    "delete": ["delete"],
    "replace": ["delete", "create"],
}
ENDS = {
    "create": ("done", "untouched", "tainted"),
    "update": ("done", "untouched"),
    "delete": ("done", "untouched"),
    "replace": ("done", "untouched", "tainted", "gone"),
}
VALUES = st.dictionaries(st.sampled_from(["name", "size"]), st.integers(0, 2) | st.booleans(), max_size=2)


@dataclass
class Half:
    """An approved plan, what its apply left, and the plan after it."""

    ends: list[str]
    approved: dict[str, Any]
    now: dict[str, Any]
    before: list[dict[str, Any]]
    after: list[dict[str, Any]]

    def judged(self, **around: Any) -> Rest | None:
        old = made(self.approved)
        apply = HalfDone(objects(self.before), objects(self.after), frozenset({"a.r0"}))
        return rest_of(old.digest, old, made(self.now, replace(AROUND, **around)), apply)

    def planned(self, index: int) -> dict[str, Any] | None:
        found = (r for r in self.now["resource_changes"] if r["address"] == f"a.r{index}")
        return next(found, None)


def made(document: dict[str, Any], around: DigestInputs = AROUND) -> MadePlan:
    return MadePlan(plan_digest(document, KEY, around), document, around)


def objects(resources: list[dict[str, Any]]) -> dict[tuple[str, str], StateObject]:
    found = read_objects(json.dumps({"version": 4, "resources": resources}).encode())
    assert found is not None
    return found


def recorded(index: int, values: Any, **more: Any) -> dict[str, Any]:
    return {
        "mode": "managed",
        "type": "a",
        "name": f"r{index}",
        "instances": [{"attributes": values, **more}],
    }


def acting(index: int, actions: list[str], before: Any, after: Any, **more: Any) -> dict[str, Any]:
    found = change(f"a.r{index}", *actions, before=before, after=after, **more)
    found["change"]["after_unknown"] = {"id": True} if "create" in actions else {}
    found["change"]["replace_paths"] = [["name"]] if actions == KINDS["replace"] and not more else []
    return found


@st.composite
def halves(draw: st.DrawFn, some: str = "") -> Half:
    """An apply that ended anywhere, and the plan that Terraform makes after it. `some`: one ended so."""
    half = Half([], plan_json(), plan_json(), [], [])
    old, new = half.approved["resource_changes"], half.now["resource_changes"]
    for index in range(draw(st.integers(1, 5))):
        ends = [(kind, end) for kind in KINDS for end in ENDS[kind] if index or some in ("", end)]
        kind, end = draw(st.sampled_from(ends))
        was = None if kind == "create" else {"id": f"old{index}", **draw(VALUES)}
        will = None if kind == "delete" else draw(VALUES)
        assume(was != will)
        old.append(acting(index, KINDS[kind], was, will))
        half.ends.append(end)
        there = None if was is None else recorded(index, was)
        made_now = None if will is None else recorded(index, {"id": f"new{index}", **will})
        half.before += [there] if there else []
        match end:
            case "untouched":
                half.after += [there] if there else []
                new.append(copy.deepcopy(old[-1]))
            case "done":
                half.after += [made_now] if made_now else []
            case "tainted":
                object_now = {"id": f"new{index}", **(will or {})}
                half.after.append(recorded(index, object_now, status="tainted"))
                reason = {"action_reason": "replace_because_tainted"}
                new.append(acting(index, KINDS["replace"], object_now, will, **reason))
            case _:
                new.append(acting(index, KINDS["create"], None, will))
    return half


@given(halves())
def test_exactly_the_rest_is_covered_and_counted(half: Half) -> None:
    failed = sum(e in ("tainted", "gone") or (e == "untouched" and not i) for i, e in enumerate(half.ends))
    done = half.ends.count("done")
    assert half.judged() == Rest(done, failed, len(half.ends) - done - failed)


@given(halves("done"), st.data())
def test_nothing_that_was_done_is_changed_again(half: Half, data: st.DataObject) -> None:
    done = [i for i, end in enumerate(half.ends) if end == "done"]
    index = data.draw(st.sampled_from(done))
    again = copy.deepcopy(half.approved["resource_changes"][index])
    if data.draw(st.booleans()):
        again["change"]["actions"] = data.draw(st.sampled_from(sorted(KINDS.values())))
        again["action_reason"] = "replace_because_tainted"
    half.now["resource_changes"].append(again)
    assert half.judged() is None


@given(halves("untouched"), st.data())
def test_what_was_not_done_may_not_be_left_out(half: Half, data: st.DataObject) -> None:
    undone = [i for i, end in enumerate(half.ends) if end == "untouched"]
    half.now["resource_changes"].remove(half.planned(data.draw(st.sampled_from(undone))))
    assert half.judged() is None


@given(halves())
def test_values_may_become_known_and_not_unknown_again(half: Half) -> None:
    creating = [r["change"] for r in half.now["resource_changes"] if "create" in r["change"]["actions"]]
    assume(creating)
    for each in creating:
        each["after_unknown"] = {}
        each["after"] = {**each["after"], "id": "known now"}
    assert half.judged() is not None
    for each in creating:
        each["after_unknown"] = {"name": True}
        each["after"].pop("name", None)
    assert half.judged() is None


def _actions(found: dict[str, Any]) -> None:
    found["change"]["actions"] = ["update"] if found["change"]["actions"] != ["update"] else ["delete"]


def _create_first(found: dict[str, Any]) -> None:
    found["change"]["actions"] = ["create", "delete"]


def _value(found: dict[str, Any]) -> None:
    found["change"]["after"] = {**(found["change"]["after"] or {}), "more": 1}


def _before(found: dict[str, Any]) -> None:
    # Of a tainted object it does not matter: it came with the apply, and all of it goes.
    assume(found.get("action_reason") is None)
    found["change"]["before"] = {"id": "another"}


def _replaced_for_more(found: dict[str, Any]) -> None:
    found["change"]["replace_paths"] = [["id"], ["name"]]


def _address(found: dict[str, Any]) -> None:
    found["address"] = "a.other"


def _deposed(found: dict[str, Any]) -> None:
    found["deposed"] = "0badc0de"


def _provider(found: dict[str, Any]) -> None:
    found["provider_name"] = "evil/provider"


def _imported(found: dict[str, Any]) -> None:
    found["change"]["importing"] = {"id": "stolen"}


def _moved(found: dict[str, Any]) -> None:
    found["previous_address"] = "a.before"


def _secret(found: dict[str, Any]) -> None:
    found["change"]["after_sensitive"] = {"more": True}


@pytest.mark.parametrize(
    "alter",
    [
        _actions, _create_first, _value, _before, _replaced_for_more, _address, _deposed, _provider,
        _imported, _moved, _secret,
    ],
)  # fmt: skip
@given(halves(), st.data())
def test_no_change_may_differ_from_the_approved_one(
    alter: Callable[[dict[str, Any]], None], half: Half, data: st.DataObject
) -> None:
    assume(half.now["resource_changes"])
    alter(data.draw(st.sampled_from(half.now["resource_changes"])))
    assert half.judged() is None


@given(halves())
def test_nothing_may_be_added(half: Half) -> None:
    half.now["resource_changes"].append(change("a.more"))
    assert half.judged() is None


@given(halves("tainted"), st.data())
def test_only_an_object_that_the_apply_made_and_left_tainted_is_deleted(
    half: Half, data: st.DataObject
) -> None:
    tainted = [i for i, end in enumerate(half.ends) if end == "tainted"]
    index = data.draw(st.sampled_from(tainted))
    planned = half.planned(index)
    assert planned is not None
    name = f"r{index}"
    match data.draw(st.sampled_from(["older", "not tainted", "another reason"])):
        case "older":
            # What is to be created anew was there before, or what is to be replaced was not.
            older = [each for each in half.before if each["name"] != name]
            if len(older) == len(half.before):
                older.append(recorded(index, {"id": "of somebody"}))
            half.before = older
        case "not tainted":
            (found,) = [each for each in half.after if each["name"] == name]
            found["instances"][0].pop("status")
        case _:
            planned["action_reason"] = data.draw(st.sampled_from(["replace_by_request", ""]))
    assert half.judged() is None


@given(halves(), st.sampled_from(["files", "environment", "dependency_lock", "refresh_only", "variables"]))
def test_nothing_around_it_may_differ(half: Half, what: str) -> None:
    assert half.judged(files="") is None
    match what:
        case "files":
            assert half.judged(files="others") is None
        case "environment":
            assert half.judged(environment={"REGION": "x"}) is None
        case "dependency_lock":
            lock = b'provider "example.com/a/b" {\n  version = "1.0.0"\n}\n'
            assert half.judged(dependency_lock=lock) is None
        case "refresh_only":
            assert half.judged(refresh_only=True) is None
        case _:
            half.now["variables"] = {"region": {"value": "other"}}
            assert half.judged() is None


@given(halves())
def test_actions_that_nothing_records_are_asked_about(half: Half) -> None:
    for each in (half.approved, half.now):
        each["action_invocations"] = [{"address": "action.x.y"}]
    assert half.judged() is None


@given(halves())
def test_another_approval_or_a_lost_plan_covers_nothing(half: Half) -> None:
    old, now = made(half.approved), made(half.now)
    apply = HalfDone(objects(half.before), objects(half.after))
    assert rest_of("another", old, now, apply) is None
    assert rest_of("", replace(old, digest=""), now, apply) is None
    assert rest_of(old.digest, old, replace(now, digest=""), apply) is None


def test_data_may_be_read_again() -> None:
    read = change("data.a.b", "read", after={"id": None})
    half = Half([], plan_json(read, change("a.r1")), plan_json(read, change("a.r1")), [], [])
    assert half.judged() == Rest(0, 0, 1)
    half.now["resource_changes"] = [change("a.r1")]
    assert half.judged() == Rest(0, 0, 1)
    half.now["resource_changes"] = [change("data.a.b", "read", after={"id": "x"}), change("a.r1")]
    assert half.judged() is None


def test_outputs_are_as_approved_or_stored_already() -> None:
    half = Half([], plan_json(change("a.r1")), plan_json(change("a.r1")), [], [])
    output = {"actions": ["create"], "before": None, "after_unknown": True}
    half.approved["output_changes"] = {"one": output, "two": output}
    half.now["output_changes"] = {"one": {**output, "after": "known", "after_unknown": False}}
    assert half.judged() is not None
    half.now["output_changes"] = {"three": output}
    assert half.judged() is None
    half.now["output_changes"] = {"one": {**output, "before": "set"}}
    assert half.judged() is None


def test_the_words_say_how_much_is_left() -> None:
    assert Rest(7, 1, 4).words == "7 done, 1 failed, 4 left: the plan is exactly the rest"
