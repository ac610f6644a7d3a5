"""The saved plan judges its JSON: what agrees passes, and nothing that was changed does."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator
from typing import Any

import msgpack
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bot.terraform.saved_plan import UnreadablePlan, agree, decode, marked_by_schema
from tests.terraform.saved_plan.corpus import Recorded, recorded, recorded_case
from tests.terraform.saved_plan.rewriting import with_message

Document = dict[str, Any]


@pytest.mark.parametrize("found", recorded(), ids=str)
def test_a_plan_agrees_with_its_own_json(found: Recorded) -> None:
    saved = decode(found.saved, found.kind)
    assert agree(saved, found.shown) == []
    assert marked_by_schema(saved, found.shown) == frozenset()


def edited(case: str, edit: Callable[[Document], object]) -> list[str]:
    """Return where a plan and its JSON disagree once the JSON was edited."""
    found = recorded_case(case)
    document = json.loads(found.shown)
    edit(document)
    return [item.where for item in agree(decode(found.saved, found.kind), json.dumps(document).encode())]


def resource(document: Document, address: str, part: str = "resource_changes") -> Document:
    return next(item for item in document[part] if item["address"] == address)


def change(document: Document, address: str, part: str = "resource_changes") -> Document:
    found: Document = resource(document, address, part)["change"]
    return found


EDITS: dict[str, tuple[str, Callable[[Document], object]]] = {
    "a value": ("update", lambda d: change(d, "terraform_data.one")["after"].update(input="harmless")),
    "a type of value": ("update", lambda d: change(d, "terraform_data.one")["after"]["input"].update(b=1)),
    "a value before": ("update", lambda d: change(d, "terraform_data.one")["before"].update(input=1)),
    "an attribute left out": ("update", lambda d: change(d, "terraform_data.one")["after"].pop("input")),
    "an attribute added": ("update", lambda d: change(d, "terraform_data.one")["after"].update(more=None)),
    "an element left out": ("update", lambda d: change(d, "terraform_data.one")["after"]["input"]["a"].pop()),
    "an element added": (
        "update",
        lambda d: change(d, "terraform_data.one")["after"]["input"]["a"].append(None),
    ),
    "elements swapped": (
        "update",
        lambda d: change(d, "terraform_data.one")["after"]["input"]["a"].reverse(),
    ),
    "a digit far behind": (
        "values",
        lambda d: change(d, "terraform_data.values")["after"]["input"].update(precise=3.14159265358979),
    ),
    "a number as text": (
        "values",
        lambda d: change(d, "terraform_data.values")["after"]["input"].update(number="1"),
    ),
    "truth as a number": (
        "values",
        lambda d: change(d, "terraform_data.values")["after"]["input"].update(truth=1),
    ),
    "a number as truth": (
        "values",
        lambda d: change(d, "terraform_data.values")["after"]["input"].update(number=True),
    ),
    "null as false": (
        "values",
        lambda d: change(d, "terraform_data.values")["after"]["input"].update(nothing=False),
    ),
    "an action": ("destroy", lambda d: d["resource_changes"][0]["change"].update(actions=["no-op"])),
    "an address": ("update", lambda d: d["resource_changes"][0].update(address="terraform_data.other")),
    "an index": ("keys", lambda d: d["resource_changes"][0].update(index="other")),
    "a name": ("update", lambda d: d["resource_changes"][0].update(name="other")),
    "a module": (
        "keys",
        lambda d: resource(d, 'module.m["a.b"].terraform_data.inner[0]').pop("module_address"),
    ),
    "a provider": ("update", lambda d: d["resource_changes"][0].update(provider_name="example.com/a/b")),
    "a mode": ("data", lambda d: resource(d, "data.null_data_source.later").update(mode="managed")),
    "a reason": ("replace", lambda d: d["resource_changes"][0].update(action_reason="replace_by_request")),
    "a deposed key": ("deposed", lambda d: d["resource_changes"][1].pop("deposed")),
    "where it was": ("moved", lambda d: d["resource_changes"][0].pop("previous_address")),
    "an import": ("import", lambda d: d["resource_changes"][0]["change"].pop("importing")),
    "an import's id": ("import", lambda d: d["resource_changes"][0]["change"].update(importing={"id": "x"})),
    "generated configuration": (
        "import generated",
        lambda d: d["resource_changes"][0]["change"].update(generated_config=""),
    ),
    "what forces replacement": (
        "replace",
        lambda d: change(d, "terraform_data.r").update(replace_paths=[["input"]]),
    ),
    "an unknown": ("unknown", lambda d: change(d, "terraform_data.wholly")["after_unknown"].pop("input")),
    "an unknown that is known": (
        "unknown",
        lambda d: change(d, "terraform_data.partly")["after_unknown"].update(triggers_replace=True),
    ),
    "a secret": ("sensitive", lambda d: change(d, "terraform_data.some").update(after_sensitive={})),
    "a resource left out": ("keys", lambda d: d["resource_changes"].pop()),
    "a resource added": (
        "update",
        lambda d: d["resource_changes"].append({**d["resource_changes"][0], "address": "terraform_data.x"}),
    ),
    "a resource twice": ("update", lambda d: d["resource_changes"].append(d["resource_changes"][0])),
    "all resources": ("keys", lambda d: d.pop("resource_changes")),
    "an output": ("update", lambda d: d["output_changes"]["o"].update(after=1)),
    "an output's action": ("update", lambda d: d["output_changes"]["gone"].update(actions=["no-op"])),
    "an output left out": ("update", lambda d: d["output_changes"].pop("gone")),
    "an output added": ("update", lambda d: d["output_changes"].update(x=d["output_changes"]["o"])),
    "a secret output": ("sensitive", lambda d: d["output_changes"]["secret"].update(after_sensitive=False)),
    "drift": ("drift", lambda d: d.pop("resource_drift")),
    "drift's action": ("drift", lambda d: d["resource_drift"][0]["change"].update(actions=["update"])),
    "drift's value": ("drift", lambda d: d["resource_drift"][0]["change"]["before"].update(id="x")),
    "drift that moved": ("moved refresh only", lambda d: d["resource_drift"][0].pop("previous_address")),
    "what drift touched": ("drift", lambda d: d["relevant_attributes"][0].update(attribute=["x"])),
    "a check's status": ("checks", lambda d: d["checks"][0].update(status="pass")),
    "a check's message": (
        "checks",
        lambda d: d["checks"][0]["instances"][0]["problems"][0].update(message="fine"),
    ),
    "a check left out": ("checks", lambda d: d["checks"].pop(0)),
    "a variable": ("variables", lambda d: d["variables"]["b"].update(value=[1, 2])),
    "a default": ("variables", lambda d: d["variables"]["a"].update(value=2)),
    "a variable left out": ("variables", lambda d: d["variables"].pop("b")),
    "a default left out": ("variables", lambda d: d["variables"].pop("a")),
    "an empty value of the state left out": (
        "no change",
        lambda d: d["prior_state"]["values"]["root_module"]["resources"][0]["values"].pop("triggers_replace"),
    ),
    "all planned values": ("drift refresh only", lambda d: d.pop("planned_values")),
    "a variable added": ("variables", lambda d: d["variables"].update(x={"value": 1})),
    "the version": ("update", lambda d: d.update(terraform_version="1.0.0")),
    "the format": ("update", lambda d: d.update(format_version="2.0")),
    "the time": ("update", lambda d: d.update(timestamp="2020-01-01T00:00:00Z")),
    "whether it failed": ("errored", lambda d: d.update(errored=False)),
    "whether it can be applied": ("no change", lambda d: d.update(applyable=True)),
    "whether it is complete": ("targeted", lambda d: d.update(complete=True)),
    "a planned value": (
        "update",
        lambda d: d["planned_values"]["root_module"]["resources"][0]["values"].update(input="x"),
    ),
    "a planned resource left out": (
        "update",
        lambda d: d["planned_values"]["root_module"]["resources"].pop(),
    ),
    "a planned resource elsewhere": (
        "keys",
        lambda d: d["planned_values"]["root_module"]["child_modules"][0].update(address='module.m["x"]'),
    ),
    "a planned output": ("update", lambda d: d["planned_values"]["outputs"]["o"].update(value=3)),
    "a value of the state": (
        "no change",
        lambda d: d["prior_state"]["values"]["root_module"]["resources"][0]["values"].update(input="x"),
    ),
    "a resource of the state": (
        "keys fewer",
        lambda d: d["prior_state"]["values"]["root_module"]["resources"].pop(),
    ),
    "a secret of the state": (
        "sensitive kept",
        lambda d: d["prior_state"]["values"]["root_module"]["resources"][0].update(sensitive_values={}),
    ),
    "the whole state": ("no change", lambda d: d.pop("prior_state")),
    "a deferred change": (
        "update",
        lambda d: d.update(
            deferred_changes=[{"reason": "unknown", "resource_change": d["resource_changes"][0]}]
        ),
    ),
    "an action that runs": (
        "update",
        lambda d: d.update(action_invocations=[{"address": "action.a.b", "type": "a", "name": "b"}]),
    ),
    "a part that is not known": ("update", lambda d: d.update(surprise={})),
    "a part of a change that is not known": ("update", lambda d: d["resource_changes"][0].update(surprise=1)),
    "a list that is none": ("update", lambda d: d.update(resource_changes={})),
    "outputs that are none": ("update", lambda d: d.update(output_changes=[])),
    "null for resources": ("empty", lambda d: d.update(resource_changes=None)),
}


@pytest.mark.parametrize("name", EDITS)
def test_json_in_which_one_thing_was_changed_is_found_out(name: str) -> None:
    case, edit = EDITS[name]
    assert edited(case, edit) != []


def test_a_difference_tells_its_place_and_keeps_values_out_of_its_text() -> None:
    found = recorded_case("sensitive")
    document = json.loads(found.shown)
    change(document, "terraform_data.all")["after"]["input"] = "other"
    differences = agree(decode(found.saved), json.dumps(document).encode())
    assert [str(item) for item in differences] == ["resource_changes: terraform_data.all after.input"]
    assert (differences[0].saved, differences[0].shown) == ('"hunter2"', '"other"')
    assert "hunter2" not in repr(differences)


def test_marks_of_a_schema_are_told_apart_from_those_of_the_plan() -> None:
    found = recorded_case("update")
    document = json.loads(found.shown)
    change(document, "terraform_data.one")["after_sensitive"]["input"]["a"] = [True, False]
    data = json.dumps(document).encode()
    assert agree(decode(found.saved), data) == []
    assert marked_by_schema(decode(found.saved), data) == {("terraform_data", ".input.a[]")}


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"[]",
        b"null",
        b"{",
        b'{"a": 1, "a": 2}',
        b'{"a": NaN}',
        b'{"a": "\xff"}',
        b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
        b'{"resource_changes":' + b"[" * 900 + b"]" * 900 + b"}",
    ],
)
def test_json_that_is_no_plan_is_an_error(data: bytes) -> None:
    saved = decode(recorded_case("update").saved)
    try:
        assert agree(saved, data) != []
    except UnreadablePlan as error:
        assert "the plan's JSON" in str(error)


# --- what no plan of the corpus has -------------------------------------------------------------------------


def _action(message: Any) -> None:
    item = message.action_invocations.add(
        addr='module.m["x"].action.example_call.it[0]', provider='provider["registry.terraform.io/a/b"]'
    )
    item.config_value.msgpack = msgpack.packb({"url": "u", "secret": "s", "id": msgpack.ExtType(0, b"\0")})
    item.sensitive_config_paths.add().steps.add(attribute_name="secret")
    trigger = item.resource_action_trigger
    trigger.triggering_resource_addr, trigger.trigger_event = "terraform_data.one", 2
    trigger.action_trigger_block_index, trigger.actions_list_index, trigger.on_failure = 1, 2, 1
    plain = message.action_invocations.add(
        addr="action.a.b", provider='provider["registry.terraform.io/a/b"]'
    )
    plain.invoke_action_trigger.SetInParent()


ACTIONS: list[Document] = [
    {
        "address": "action.a.b",
        "type": "a",
        "name": "b",
        "config_values": None,
        "config_sensitive": {},
        "config_unknown": {},
        "provider_name": "registry.terraform.io/a/b",
        "invoke_action_trigger": {},
    },
    {
        "address": 'module.m["x"].action.example_call.it[0]',
        "type": "example_call",
        "name": "it",
        "config_values": {"url": "u", "secret": "s"},
        "config_sensitive": {"secret": True},
        "config_unknown": {"id": True},
        "provider_name": "registry.terraform.io/a/b",
        "lifecycle_action_trigger": {
            "triggering_resource_address": "terraform_data.one",
            "action_trigger_event": "AfterCreate",
            "action_trigger_block_index": 1,
            "actions_list_index": 2,
            "on_failure": "ActionOnFailureTaint",
        },
    },
]


def test_actions_are_compared_with_their_triggers_and_values() -> None:
    found = recorded_case("update")
    saved = decode(with_message(found.saved, _action))
    document = {**json.loads(found.shown), "action_invocations": ACTIONS}
    assert agree(saved, json.dumps(document).encode()) == []
    for leaf, replace in leaves(ACTIONS):
        if leaf[-1:] == ("on_failure",) or leaf[1:2] == ("config_sensitive",) or leaf == (0, "config_values"):
            continue
        changed = {**document, "action_invocations": replace("x")}
        assert agree(saved, json.dumps(changed).encode()) != [], leaf


def test_deferred_changes_are_compared_with_their_reasons() -> None:
    found = recorded_case("update")

    def defer(message: Any) -> None:
        item = message.deferred_changes.add()
        item.deferred.reason = 1
        item.change.CopyFrom(message.resource_changes[0])
        del message.resource_changes[:]

    saved = decode(with_message(found.saved, defer))
    document = json.loads(found.shown)
    (shown,) = document.pop("resource_changes")
    document["planned_values"].pop("root_module")
    document["deferred_changes"] = [{"reason": "instance_count_unknown", "resource_change": shown}]
    assert agree(saved, json.dumps(document).encode()) == []
    document["deferred_changes"][0]["reason"] = "absent_prereq"
    assert agree(saved, json.dumps(document).encode()) != []


# --- any leaf -----------------------------------------------------------------------------------------------

Path = tuple[str | int, ...]


def leaves(document: Any) -> Iterator[tuple[Path, Callable[[Any], Any]]]:
    """Return the path to each leaf, and a function that returns the document with another leaf there."""

    def walk(part: Any, path: Path) -> Iterator[Path]:
        if isinstance(part, dict) and part:
            for key, value in part.items():
                yield from walk(value, (*path, key))
        elif isinstance(part, list) and part:
            for number, value in enumerate(part):
                yield from walk(value, (*path, number))
        else:
            yield path

    def replaced(path: Path) -> Callable[[Any], Any]:
        def replace(value: Any) -> Any:
            whole = copy.deepcopy(document)
            part = whole
            for step in path[:-1]:
                part = part[step]
            part[path[-1]] = value
            return whole

        return replace

    for path in walk(document, ()):
        yield path, replaced(path)


def _judged(path: Path) -> bool:
    """Tell whether the saved plan knows what is at a path. The version of a schema is the provider's."""
    return path[0] != "configuration" and path[-1] not in ("schema_version", "identity_schema_version")


SMALL = [found for found in recorded() if len(found.shown) < 60_000]


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_whatever_leaf_of_the_json_is_changed_it_is_found_out(data: st.DataObject) -> None:
    found = data.draw(st.sampled_from(SMALL))
    document = json.loads(found.shown)
    path, replace = data.draw(st.sampled_from([leaf for leaf in leaves(document) if _judged(leaf[0])]))
    old: Any = document
    for step in path:
        old = old[step]
    value = data.draw(
        st.one_of(
            st.none(),
            st.booleans(),
            st.integers(),
            st.text(max_size=5),
            st.just([]),
            st.just({}),
            st.just({"a": 1}),
            st.just([old]),
            st.just(f"{old}\u2028"),
        ).filter(lambda value: json.dumps(value) != json.dumps(old))
    )
    shown = json.dumps(replace(value)).encode()
    saved = decode(found.saved, found.kind)
    # More marks of what is sensitive can only be judged with the provider's schema.
    assert agree(saved, shown) or marked_by_schema(saved, shown), (str(found), path, old, value)
