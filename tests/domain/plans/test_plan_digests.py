"""What a plan does, how much; and the digest that an approval is bound to."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.domain.errors import EngineError
from bot.domain.plans.digest import DigestInputs, plan_digest
from bot.domain.plans.plan import Counts, load_plan_json, read_plan
from tests.fakes.engine import change, plan_json

PAYLOADS = Path(__file__).parents[2] / "payloads" / "terraform"
KEY, OTHER_KEY = b"k" * 32, b"o" * 32
NAMES = sorted(path.stem for path in PAYLOADS.glob("*.json"))


def recorded(name: str) -> dict[str, Any]:
    return load_plan_json((PAYLOADS / f"{name}.json").read_bytes())


@pytest.mark.parametrize(
    ("name", "counts", "symbols", "outputs"),
    [
        ("create", Counts(2, 0, 0), ["+", "+"], ("size",)),
        ("replace", Counts(1, 1, 1), ["~", "-/+"], ("size",)),
        ("destroy", Counts(0, 0, 2), ["-", "-"], ("size",)),
        ("outputs", Counts(), [], ("size",)),
        ("nochange", Counts(), [], ()),
        ("move", Counts(imports=1), [" ", ".", " "], ()),
    ],
)
def test_terraform_s_plans_are_read(
    name: str, counts: Counts, symbols: list[str], outputs: tuple[str, ...]
) -> None:
    plan = read_plan(recorded(name))
    assert plan.counts == counts
    assert [resource.symbol for resource in plan.resources] == symbols
    assert plan.outputs == outputs
    # Terraform itself says whether applying would do anything.
    assert plan.has_changes is recorded(name)["applyable"]


def test_a_move_and_an_import_say_what_they_are() -> None:
    moved, forgotten, imported = read_plan(recorded("move")).resources
    assert (moved.address, moved.previous_address) == ("terraform_data.one", "terraform_data.first")
    assert forgotten.actions == ("forget",)
    assert imported.importing


def test_reads_are_no_changes() -> None:
    plan = read_plan(plan_json(change("data.aws_ami.it", "read")))
    assert not plan.has_changes


def test_both_ways_to_replace_count_as_one_added_and_one_destroyed() -> None:
    plan = read_plan(plan_json(change("a.b", "create", "delete"), change("a.c", "delete", "create")))
    assert plan.counts == Counts(2, 0, 2)
    assert [resource.symbol for resource in plan.resources] == ["+/-", "-/+"]


def test_drift_alone_is_counted_but_is_nothing_to_apply() -> None:
    plan = read_plan(plan_json(resource_drift=[change("a.b", "update")]))
    assert (plan.drifted, plan.has_changes) == (1, False)


def test_what_a_plan_leaves_out_or_has_empty_is_no_change() -> None:
    for document in ({"format_version": "1.2"}, plan_json(resource_changes=None, output_changes=None)):
        assert not read_plan(document).has_changes
        assert plan_digest(document, KEY) == plan_digest(plan_json(), KEY)


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        (b"", "gave no JSON"),
        (b"Error: no plan", "gave no JSON"),
        (b"\xff\xfe", "gave no JSON"),
        (b"[]", "does not know"),
        (b"{}", "does not know"),
        (b'{"format_version": "2.0"}', "does not know"),
        (b'{"format_version": 1}', "does not know"),
    ],
)
def test_what_is_no_plan_is_refused_in_words(raw: bytes, words: str) -> None:
    with pytest.raises(EngineError, match=words):
        load_plan_json(raw)


# --- the digest ------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_a_digest_does_not_hang_on_when_a_plan_was_made_nor_on_its_order(name: str) -> None:
    document = recorded(name)
    again = copy.deepcopy(document)
    again["timestamp"] = "2030-01-01T00:00:00Z"
    again["resource_changes"].reverse()
    again = json.loads(json.dumps(again, sort_keys=True, indent=3))
    assert plan_digest(document, KEY) == plan_digest(again, KEY)


def test_each_recorded_plan_has_a_digest_of_its_own() -> None:
    digests = {plan_digest(recorded(name), KEY) for name in NAMES}
    assert len(digests) == len(NAMES)


def test_a_digest_is_keyed() -> None:
    assert plan_digest(recorded("create"), KEY) != plan_digest(recorded("create"), OTHER_KEY)


@pytest.mark.parametrize(
    "other",
    [
        plan_json(change("a.b", "create", after={"x": 2})),
        plan_json(change("a.b", "update", after={"x": 1})),
        plan_json(change("a.c", "create", after={"x": 1})),
        plan_json(change("a.b", "create", before={"x": 0}, after={"x": 1})),
        plan_json(change("a.b", "create", after={"x": "1"})),
        plan_json(change("a.b", "create", after={"x": True})),
        plan_json(change("a.b", "create", after={"x": 1}, deposed="abc")),
        plan_json(change("a.b", "create", after={"x": 1}, previous_address="a.a")),
        plan_json(change("a.b", "create", after={"x": 1}, provider_name="elsewhere/aws")),
        plan_json(change("a.b", "create", after={"x": 1}), change("a.c", "create")),
        plan_json(change("a.b", "create", after={"x": 1}), outputs={"o": ["create"]}),
        plan_json(),
    ],
    ids=[
        "value", "action", "address", "before", "type", "bool", "deposed", "moved", "provider", "another",
        "output", "nothing",
    ],
)  # fmt: skip
def test_whatever_a_plan_would_do_otherwise_makes_another_digest(other: dict[str, Any]) -> None:
    shown = plan_json(change("a.b", "create", after={"x": 1}))
    assert plan_digest(shown, KEY) != plan_digest(other, KEY)


@pytest.mark.parametrize(
    "more",
    [
        {"timestamp": "2030-01-01T00:00:00Z"},
        {"terraform_version": "1.99.0"},
        {"resource_drift": [change("a.b", "update")]},
        {"prior_state": {"values": {"root_module": {}}}},
    ],
    ids=["time", "program", "drift", "what was read"],
)
def test_what_varies_between_plans_of_the_same_does_not_matter(more: dict[str, Any]) -> None:
    shown = plan_json(change("a.b", "create"))
    assert plan_digest(shown, KEY) == plan_digest({**shown, **more}, KEY)


def test_what_a_plan_does_nothing_to_does_not_matter() -> None:
    shown = plan_json(change("a.b", "create"))
    idle = change("a.untouched", "no-op", before={"x": 1}, after={"x": 1})
    assert plan_digest(shown, KEY) == plan_digest(plan_json(change("a.b", "create"), idle), KEY)


def test_a_read_that_is_left_to_the_apply_is_an_action() -> None:
    def reading(program: str) -> dict[str, Any]:
        return plan_json(change("data.external.it", "read", after={"program": [program]}))

    assert plan_digest(reading("a"), KEY) != plan_digest(plan_json(), KEY)
    assert plan_digest(reading("a"), KEY) != plan_digest(reading("b"), KEY)


LOCK = b"""
provider "registry.terraform.io/hashicorp/null" {
  version     = "2.1.2"
  constraints = ">= 2.0.0"
  hashes = [
    "h1:one",
  ]
}
"""


def test_the_provider_s_version_and_the_hashes_in_its_lock_matter_and_their_order_does_not() -> None:
    shown = plan_json(change("null_resource.it", "create"))

    def digest(lock: bytes) -> str:
        return plan_digest(shown, KEY, DigestInputs(lock))

    two = LOCK.replace(b'    "h1:one",\n', b'    "h1:one",\n    "zh:two",\n')
    assert digest(LOCK) != digest(LOCK.replace(b"h1:one", b"h1:two")), "another binary under its version"
    assert digest(LOCK) != digest(two)
    assert digest(two) == digest(LOCK.replace(b'    "h1:one",\n', b'    "zh:two",\n    "h1:one",\n'))
    assert digest(LOCK) != digest(LOCK.replace(b"2.1.2", b"2.1.3"))
    assert digest(LOCK) != digest(b"")


def test_drift_matters_where_it_is_what_is_written() -> None:
    def drifted(size: int) -> dict[str, Any]:
        return plan_json(resource_drift=[change("a.b", "update", after={"size": size})], applyable=True)

    assert read_plan(drifted(1)).has_changes
    around = DigestInputs(refresh_only=True)
    assert plan_digest(drifted(1), KEY, around) != plan_digest(drifted(2), KEY, around)


def configured(*resources: dict[str, Any], **more: Any) -> dict[str, Any]:
    module = {"module_calls": {"app": {"module": {"resources": list(resources)}}}, **more}
    return {"root_module": module}


@pytest.mark.parametrize(("provisioners", "same"), [([{"type": "local-exec"}], False), ([], True)])
def test_what_a_provisioner_runs_is_no_plan_s_value_so_that_the_commit_s_files_count(
    provisioners: list[Any], same: bool
) -> None:
    resource = {"address": "a.b", "provisioners": provisioners}
    acting = change('module.app["x[0]"].a.b[0]', "create")
    shown = plan_json(acting, configuration=configured(resource))
    digests = {plan_digest(shown, KEY, DigestInputs(files=files)) for files in ("one", "two")}
    assert (len(digests) == 1) is same


def test_input_variables_matter_but_for_those_that_are_called_sensitive() -> None:
    def given(**values: str) -> str:
        variables = {name: {"value": value} for name, value in values.items()}
        declared = {"token": {"sensitive": True}, "region": {}}
        document = plan_json(variables=variables, configuration=configured(variables=declared))
        return plan_digest(document, KEY)

    assert given(region="here", token="1") == given(region="here", token="2")
    assert given(region="here", token="1") != given(region="there", token="1")


COMPUTED = {"references": ["local.region"]}


@pytest.mark.parametrize(
    ("expressions", "same"),
    [
        ({}, True),
        ({"region": {"constant_value": "here"}, "tags": [{"of": {"constant_value": ["a"]}}]}, True),
        ({"features": [{}]}, True),
        ({"region": COMPUTED}, False),
        ({"region": {}}, False),
        ({"assume_role": [{"role": COMPUTED}]}, False),
        ({"assume_role": {"role": COMPUTED}}, False),
    ],
    ids=["none", "written out", "an empty block", "a local", "a file", "in a block", "in a single block"],
)
def test_where_a_provider_works_may_be_computed_so_that_the_commit_s_files_count(
    expressions: dict[str, Any], same: bool
) -> None:
    shown = plan_json(change("module.app.a.b", "create"), change("a.idle", "no-op"))
    shown["configuration"] = configured({"address": "a.b", "provider_config_key": "aws"})
    shown["configuration"]["provider_config"] = {
        "aws": {"name": "aws", "expressions": expressions},
        "aws.idle": {"name": "aws", "alias": "idle", "expressions": {"region": COMPUTED}},
    }
    digests = {plan_digest(shown, KEY, DigestInputs(files=files)) for files in ("one", "two")}
    assert (len(digests) == 1) is same


def test_an_action_with_an_unknown_part_is_the_same_only_of_the_same_files() -> None:
    def digest(files: str, unknown: dict[str, Any]) -> str:
        invocation = {"address": "action.local_command.it", "config_unknown": unknown}
        return plan_digest(plan_json(action_invocations=[invocation]), KEY, DigestInputs(files=files))

    assert digest("one", {"command": True}) != digest("two", {"command": True})
    assert digest("one", {}) == digest("two", {})


def test_the_run_s_environment_matters() -> None:
    shown = plan_json(change("a.b", "create"))
    digests = {plan_digest(shown, KEY, DigestInputs(environment={"AWS_REGION": r})) for r in ("eu", "us")}
    assert len(digests) == 2


def leaves(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the paths of everything that is no container, or an empty one."""
    inner = list(enumerate(value)) if isinstance(value, list) else []
    inner = list(value.items()) if isinstance(value, dict) else inner
    return [leaf for key, each in inner for leaf in leaves(each, (*path, key))] or [path]


# Why something is done, and what its address says already.
SAID_ELSEWHERE = ("action_reason", "mode", "type", "name", "index")


@given(st.sampled_from([name for name in NAMES if name != "nochange"]), st.data())
def test_a_change_at_any_leaf_of_what_a_plan_does_makes_another_digest(name: str, data: Any) -> None:
    document = recorded(name)
    acting = {
        "resource_changes": [r for r in document["resource_changes"] if r["change"]["actions"] != ["no-op"]],
        "output_changes": {n: c for n, c in document["output_changes"].items() if c["actions"] != ["no-op"]},
    }
    paths = [path for path in leaves(acting) if len(path) > 2 and path[-1] not in SAID_ELSEWHERE]
    path = data.draw(st.sampled_from(paths))
    mutated = copy.deepcopy({**document, **acting})
    place: Any = mutated
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = "something else" if place[path[-1]] != "something else" else "another"
    assert plan_digest(mutated, KEY) != plan_digest({**document, **acting}, KEY)


def test_the_order_of_the_reasons_to_replace_does_not_matter() -> None:
    paths: list[list[Any]] = [["name"], ["tags", 0]]
    one, two = (change("a.b", "delete", "create") for _ in range(2))
    one["change"]["replace_paths"], two["change"]["replace_paths"] = paths, paths[::-1]
    assert plan_digest(plan_json(one), KEY) == plan_digest(plan_json(two), KEY)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)


@given(VALUES, VALUES)
def test_two_plans_have_one_digest_exactly_where_their_values_are_the_same(one: Any, two: Any) -> None:
    digests = {plan_digest(plan_json(change("a.b", "update", after=value)), KEY) for value in (one, two)}
    same = json.dumps(one, sort_keys=True) == json.dumps(two, sort_keys=True)
    assert (len(digests) == 1) is same


@given(st.permutations([change(f"a.b{n}", "create", after=n) for n in range(5)]))
def test_any_order_of_the_same_resources_has_the_same_digest(changes: list[dict[str, Any]]) -> None:
    first = sorted(changes, key=lambda each: str(each["address"]))
    assert plan_digest(plan_json(*changes), KEY) == plan_digest(plan_json(*first), KEY)


@pytest.mark.parametrize("depth", [600, 900, 100_000])
def test_a_plan_that_nests_values_too_deeply_is_an_error_of_the_change(depth: int) -> None:
    raw = json.dumps(plan_json(action_invocations=[{"config_unknown": "here"}]))
    deep = raw.replace('"here"', "[" * depth + "true" + "]" * depth).encode()
    with pytest.raises(EngineError, match="too deeply"):
        plan_digest(load_plan_json(deep), KEY)
