"""What states record of objects, and that nothing is concluded from what is not understood."""

from __future__ import annotations

import json
from typing import Any

import pytest

from bot.domain.states.instances import read_objects


def state(*instances: Any, **resource: Any) -> bytes:
    one = {"mode": "managed", "type": "a", "name": "b", "instances": list(instances), **resource}
    return json.dumps({"version": 4, "resources": [one]}).encode()


def test_objects_have_the_addresses_of_plans() -> None:
    instances = [{"index_key": 0}, {"index_key": "eu-west.1"}, {"deposed": "0badc0de"}, {"status": "tainted"}]
    found = read_objects(state(*instances, module='module.x["y"]'))
    assert found is not None
    place = 'module.x["y"].a.b'
    assert list(found) == [
        (f"{place}[0]", ""), (f'{place}["eu-west.1"]', ""), (place, "0badc0de"), (place, ""),
    ]  # fmt: skip
    assert [each.tainted for each in found.values()] == [False, False, False, True]


def test_only_a_record_counts_and_not_what_it_depends_on() -> None:
    one, other, third = (
        read_objects(state({"attributes": {"id": "1"}, "dependencies": ["a.c"], "private": "x"})),
        read_objects(state({"attributes": {"id": "1"}})),
        read_objects(state({"attributes": {"id": "2"}})),
    )
    assert one == other
    assert other != third


def test_data_and_empty_states_have_no_objects() -> None:
    assert read_objects(b"") == {}
    assert read_objects(state({}, mode="data")) == {}
    assert read_objects(b'{"version": 4}') == {}


@pytest.mark.parametrize(
    "data",
    [
        b"[]", b"{", b'{"version": 3, "resources": []}', b'{"version": 4, "resources": {}}',
        b'{"version": 4, "resources": [1]}', state(1), state({}, type=""), state({}, name=1),
        state({"index_key": "a${b}"}), state({"index_key": True}), state({"index_key": 1.5}), state({}, {}),
        state({"deposed": 1}),
    ],
)  # fmt: skip
def test_a_state_that_is_not_understood_says_nothing(data: bytes) -> None:
    assert read_objects(data) is None
