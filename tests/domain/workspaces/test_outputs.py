"""Outputs of states, as values of Terraform variables."""

from __future__ import annotations

import json

import pytest

from bot.domain.runs.masking import mask, secrets_of
from bot.domain.workspaces.outputs import OutputValue, Unreadable, outputs_of
from bot.domain.workspaces.variables import Variable


def state(**outputs: object) -> bytes:
    return json.dumps({"version": 4, "serial": 1, "lineage": "l", "outputs": outputs}).encode()


def test_text_is_handed_over_as_it_is() -> None:
    found = outputs_of(
        state(a={"value": '${x} "y"\n', "type": "string"}, b={"value": "s", "sensitive": True})
    )
    assert found == {"a": OutputValue('${x} "y"\n'), "b": OutputValue("s", sensitive=True)}


def test_what_is_unclear_is_sensitive() -> None:
    unclear = outputs_of(state(x={"value": "s", "sensitive": "no"}))
    assert unclear == {"x": OutputValue("s", sensitive=True)}


@pytest.mark.parametrize(
    ("value", "expression"),
    [
        (None, "null"),
        (True, "true"),
        (7, "7"),
        (123456789012345678901234567890, "123456789012345678901234567890"),
        ([], "[]"),
        (["a", 1, None], '["a", 1, null]'),
        ({"k": {"n": [False]}}, "{k = {n = [false]}}"),
        ({"a-1": 1, "_b": 2}, "{a-1 = 1, _b = 2}"),
        ({"1a": 1, "": 2, "a.b": 3, "é": 4, "a\n": 5}, '{"1a" = 1, "" = 2, "a.b" = 3, "é" = 4, "a\\n" = 5}'),
        ({"for": 1, "null": 2, "true": 3}, '{"for" = 1, "null" = 2, "true" = 3}'),
        (["${a} %{b} $c $$${d}"], '["\\u0024{a} \\u0025{b} $c $$\\u0024{d}"]'),
        (['"\\\n\t\b\u007f'], '["\\"\\\\\\n\\t\\u0008\\u007f"]'),
        (["\u00e9\U0001f600"], '["\u00e9\U0001f600"]'),
    ],
)
def test_other_values_are_expressions_that_evaluate_nothing(value: object, expression: str) -> None:
    assert outputs_of(state(x={"value": value})) == {"x": OutputValue(expression, hcl=True)}


def test_a_sensitive_object_hides_its_values_and_not_its_keys() -> None:
    found = outputs_of(state(x={"value": {"name": "swordfish", "pin": 48213}, "sensitive": True}))
    assert isinstance(found, dict)
    one = Variable("x", found["x"].value, hcl=found["x"].hcl, sensitive=found["x"].sensitive)
    shown = mask('name = "swordfish", pin = 48213', secrets_of([one]))
    assert shown == 'name = "***", pin = ***'


def test_numbers_keep_all_their_digits() -> None:
    found = outputs_of(b'{"outputs": {"x": {"value": [0.10000000000000000000001, 1e30]}}}')
    assert found == {"x": OutputValue("[0.10000000000000000000001, 1E+30]", hcl=True)}


@pytest.mark.parametrize(
    "state",
    [
        b"",
        b"{",
        b"[]",
        b"[" * 100_000,
        b'{"outputs": 1}',
        *(
            b'{"outputs": {"x": {"value": [%s]}}}' % value
            for value in (
                b"NaN",
                b"-Infinity",
                b"9" * 10_000,
                b"1e99999999999999999999",
                *(b"[" * depth + b"]" * depth for depth in (990, 100_000)),
            )
        ),
    ],
    ids=lambda state: f"{state[-40:]!r} of {len(state)}",
)
def test_a_state_that_can_not_be_read_has_no_outputs(state: bytes) -> None:
    assert outputs_of(state) is Unreadable.INVALID


def test_an_encrypted_state_is_said_to_be_one() -> None:
    assert outputs_of(b'{"encrypted_data": "x", "serial": 1, "lineage": "l"}') is Unreadable.ENCRYPTED


def test_a_state_without_outputs_has_none() -> None:
    assert outputs_of(b'{"version": 4}') == {}
