"""State files: what is read of them, what is never shown, and that a new serial changes nothing else."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.domain.states.file import StateOutput, StateResource, read_contents, read_header, with_serial

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@given(
    st.dictionaries(st.text(max_size=8), JSON, max_size=4),
    st.integers(0, 2**63 - 1),
    st.integers(0, 2**63 - 1),
    st.sampled_from([None, 2]),
    st.booleans(),
)
def test_a_new_serial_changes_the_serial_alone(
    more: dict[str, Any], before: int, after: int, indent: int | None, first: bool
) -> None:
    members = {"serial": before, **more} if first else {**more, "serial": before}
    members["serial"] = before
    raw = json.dumps(members, indent=indent, ensure_ascii=False).encode("utf-8", "surrogatepass")
    try:
        raw.decode("utf-8")
    except UnicodeDecodeError:
        return  # half a surrogate pair: no JSON that Terraform could have written
    done = with_serial(raw, after)
    assert json.loads(done) == {**members, "serial": after}
    assert with_serial(done, before) == raw


def test_numbers_with_more_digits_than_a_float_has_stay_as_they_are() -> None:
    raw = (
        b'{"a": {"serial": 5}, "n": 1.00000000000000000000000001, "m": 1e400, "serial": 12 , "z": "\\u00e4"}'
    )
    assert with_serial(raw, 13) == raw.replace(b"12 ,", b"13 ,")


@pytest.mark.parametrize(
    "raw", [b"", b"{}", b"{ }", b"[]", b'{"a": 1', b'{"a": 1 "serial": 2}', b'{"serials": 1}']
)
def test_what_has_no_serial_is_not_numbered(raw: bytes) -> None:
    with pytest.raises(ValueError, match=r"\S"):
        with_serial(raw, 1)


@given(st.binary(max_size=60) | JSON.map(lambda value: json.dumps(value).encode()))
def test_anything_is_read_without_failing(raw: bytes) -> None:
    assert read_header(raw).wrong
    assert read_contents(raw).resources == ()


@given(JSON, JSON, JSON)
def test_a_state_of_any_shape_is_read_without_failing(outputs: Any, resources: Any, version: Any) -> None:
    raw = json.dumps({"outputs": outputs, "resources": resources, "terraform_version": version}).encode()
    contents = read_contents(raw)
    assert len(contents.outputs) <= (len(outputs) if isinstance(outputs, dict) else 0)


def test_outputs_and_resources() -> None:
    state = {
        "terraform_version": "1.9.5",
        "outputs": {
            "zones": {"value": ["a", "b"], "type": ["list", "string"]},
            "name": {"value": "net\nwork", "type": "string"},
            "pair": {"value": [1, "x"], "type": ["tuple", ["number", "string"]]},
            "password": {"value": "hunter2", "type": "string", "sensitive": True},
            "odd": {"value": "hunter2", "type": "string", "sensitive": "true"},
        },
        "resources": [
            {
                "mode": "managed",
                "type": "aws_vpc",
                "name": "main",
                "provider": "p",
                "instances": [{"attributes": {"s": "hunter2"}}],
            },
            {"module": "module.a[0]", "mode": "data", "type": "aws_ami", "name": "it", "instances": [{}, {}]},
            {"type": 1, "name": "no"},
        ],
    }
    contents = read_contents(json.dumps(state).encode())
    assert contents.terraform_version == "1.9.5"
    assert contents.outputs == (
        StateOutput("name", "net\nwork", "string"),
        StateOutput("odd", None, "string"),
        StateOutput("pair", '[\n  1,\n  "x"\n]', "tuple"),
        StateOutput("password", None, "string"),
        StateOutput("zones", '[\n  "a",\n  "b"\n]', "list of string"),
    )
    assert [output.name for output in contents.outputs if output.sensitive] == ["odd", "password"]
    assert contents.resources == (
        StateResource("aws_vpc.main", "p", 1),
        StateResource("module.a[0].data.aws_ami.it", "", 2, data=True),
    )
    assert "hunter2" not in repr(contents)
    assert "net\nwork" not in repr(contents), "a value is in no traceback"
