"""A plan for the terraform CLI: nothing sensitive is in it, and it has schemas for all that it shows."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from bot.domain.plans.remote_plan import SENSITIVE, SENSITIVE_CHANGED, TOO_DEEP, redacted_plan


def plain(text: str) -> str:
    return text


def change(**about: Any) -> dict[str, Any]:
    return {
        "address": "aws_db.one",
        "mode": "managed",
        "type": "aws_db",
        "name": "one",
        "provider_name": "registry.terraform.io/hashicorp/aws",
        "change": {"actions": ["update"], **about},
    }


def only(document: dict[str, Any]) -> dict[str, Any]:
    (found,) = redacted_plan(document, plain)["resource_changes"]
    return dict(found["change"])


def test_sensitive_values_say_only_whether_they_change() -> None:
    before = {"password": "old", "user": "ann", "keys": ["a", "b"], "none": None}
    after = {"password": "new", "user": "ann", "keys": ["a", "c"], "none": None}
    marks = {"password": True, "keys": [True, True], "none": True}
    found = only(
        {
            "resource_changes": [
                change(before=before, after=after, before_sensitive=marks, after_sensitive=marks)
            ]
        }
    )
    assert found["before"] == {"password": SENSITIVE, "user": "ann", "keys": [SENSITIVE] * 2, "none": None}
    assert found["after"] == {
        "password": SENSITIVE_CHANGED,
        "user": "ann",
        "keys": [SENSITIVE, SENSITIVE_CHANGED],
        "none": None,
    }


def test_nothing_but_what_is_drawn_is_in_it() -> None:
    document = {
        "resource_changes": [change(before=None, after={"name": "x"}, after_unknown={"id": True})],
        "resource_drift": [change(before={"size": 1}, after={"size": 2})],
        "output_changes": {
            "word": {"actions": ["create"], "before": None, "after": "s", "after_sensitive": True}
        },
        "prior_state": {"values": "secret"},
        "planned_values": {"outputs": "secret"},
        "configuration": {"root_module": "secret"},
        "variables": {"password": {"value": "secret"}},
    }
    found = redacted_plan(document, plain)
    assert "secret" not in json.dumps(found)
    assert found["output_changes"]["word"]["after"] == SENSITIVE
    schema = found["provider_schemas"]["registry.terraform.io/hashicorp/aws"]["resource_schemas"]["aws_db"]
    assert set(schema["block"]["attributes"]) == {"name", "id", "size"}
    assert {each["type"] for each in schema["block"]["attributes"].values()} == {"dynamic"}


def test_known_secrets_are_hidden_in_values_and_keys_and_depth_is_bounded() -> None:
    deep: Any = "s3cret"
    for _ in range(900):
        deep = [deep]
    document = {"resource_changes": [change(before={"a": "my s3cret", "s3cret": 1}, after={"deep": deep})]}
    found = redacted_plan(document, lambda text: text.replace("s3cret", "***"))
    assert "s3cret" not in json.dumps(found["resource_changes"])
    assert TOO_DEEP in json.dumps(found)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=10,
)


@given(JSON, JSON, JSON, JSON)
def test_any_json_is_drawn_without_an_error(one: Any, two: Any, three: Any, four: Any) -> None:
    odd = {"change": {"before": one, "after": two, "before_sensitive": three, "after_sensitive": four}}
    document = {
        "resource_changes": [odd, {"change": one}, one],
        "output_changes": {"a": odd["change"], "b": one},
    }
    document |= {"resource_drift": two, "relevant_attributes": three}
    found = redacted_plan(document, plain)
    assert json.loads(json.dumps(found))["resource_changes"][0]["change"].keys() >= {"before", "after"}
    bare = redacted_plan({"resource_changes": one, "output_changes": two}, plain)
    assert bare["plan_format_version"] == found["plan_format_version"]
