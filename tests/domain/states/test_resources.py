"""What a state says of its resources without values, and when their marks change."""

from __future__ import annotations

import json
from typing import Any

import pytest

from bot.domain.states.resources import Resource, list_resources

KEY = b"k" * 32


def state(*resources: dict[str, Any], **about: Any) -> bytes:
    return json.dumps({"version": 4, "terraform_version": "1.15.5", "resources": resources, **about}).encode()


def vpc(*instances: dict[str, Any], module: str = "", **about: Any) -> dict[str, Any]:
    found = {
        "mode": "managed", "type": "aws_vpc", "name": "main", "instances": instances,
        "provider": 'module.x.provider["registry.terraform.io/hashicorp/aws"].west',
    }  # fmt: skip
    return found | about | ({"module": module} if module else {})


def one(value: object, **about: Any) -> dict[str, Any]:
    return {"schema_version": 1, "attributes": {"cidr": value}, **about}


def listed(*resources: dict[str, Any]) -> dict[str, Resource]:
    found = list_resources(state(*resources), KEY).resources
    assert found is not None
    return found


def mark(*instances: dict[str, Any], key: bytes = KEY) -> str:
    found = list_resources(state(vpc(*instances)), key).resources
    assert found is not None
    return found["aws_vpc.main"].mark


def test_a_resource_has_its_address_provider_and_number_of_instances_and_no_value() -> None:
    found = listed(vpc(one("10.0.0.0/16", index_key="eu"), one("10.1.0.0/16", index_key="us")))
    assert list(found) == ["aws_vpc.main"]
    resource = found["aws_vpc.main"]
    assert (resource.provider, resource.instances) == ("registry.terraform.io/hashicorp/aws", 2)
    assert "10.0" not in repr(found)
    assert "eu" not in repr(found)


def test_keys_of_modules_are_left_out_and_their_resources_are_one() -> None:
    found = listed(
        vpc(one(1), module='module.net["ana@example.com"].module.sub[0]'),
        vpc(one(2), module='module.net["a]\\"b"].module.sub[1]'),
    )
    assert list(found) == ["module.net.module.sub.aws_vpc.main"]
    assert found["module.net.module.sub.aws_vpc.main"].module == "module.net.module.sub"
    assert found["module.net.module.sub.aws_vpc.main"].instances == 2


def test_data_sources_and_what_is_no_resource_are_left_out() -> None:
    broken: Any = [
        7,
        {"type": "x"},
        vpc(one(1), mode="data"),
        vpc(one(1), type=3),
        vpc(one(1), name="n" * 2000),
    ]
    assert listed(*broken) == {}


@pytest.mark.parametrize("part", ["type", "name", "module"])
@pytest.mark.parametrize("letter", ["\0", "\n", "\ud800", "\u202e"])
def test_names_that_terraform_never_writes_are_left_out(part: str, letter: str) -> None:
    assert listed(vpc(one("a")), vpc(one("b"), **{part: f"x{letter}"})).keys() == {"aws_vpc.main"}


def test_a_mark_changes_with_values_and_instances_and_with_nothing_else() -> None:
    same = mark(one("a"))
    assert mark(one("a", dependencies=["aws_x.y"], private="zz", schema_version=2)) == same
    assert mark(one("b")) != same
    assert mark(one("a", status="tainted")) != same
    assert mark(one("a"), one("a", index_key=1)) != same
    assert mark(one("a", index_key=1), one("b", index_key=2)) == mark(
        one("b", index_key=2), one("a", index_key=1)
    )
    assert mark(one("a", index_key=1), one("b", index_key=2)) != mark(
        one("a", index_key=2), one("b", index_key=1)
    )


def test_nobody_can_make_a_mark_without_the_key() -> None:
    assert mark(one("a"), key=b"other") != mark(one("a"))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{}",
        b'{"version": 3}',
        state(encrypted_data="abc", version=None),
        b'{"version": 4, "resources": 7}',
        b'{"version": 4, "resources": [{"type": "a", "name": "b", "instances": [{"attributes": '
        + b"[" * 100_000
        + b"]" * 100_000
        + b"}]}]}",
    ],
)
def test_a_state_that_can_not_be_read_lists_nothing(data: bytes) -> None:
    assert list_resources(data, KEY).resources is None
