"""Outputs that a workspace's state hands over to another workspace, as Terraform variables."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Any

# The escapes that HCL's strings know. JSON has others, such as `\b`.
_ESCAPES = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t"}
# Templates begin with `${` or `%{`. Doubled signs are not safe: of `$$${`, HCL takes the end for a template.
_SPECIAL = re.compile(r'["\\\x00-\x1f\x7f]|[$%](?=\{)')
# Keys that need no quotes. `for` begins another expression, and the others are values elsewhere.
_IDENTIFIER = re.compile(r"(?!(?:for|null|true|false)\Z)[A-Za-z_][A-Za-z0-9_-]*\Z")


@dataclass(frozen=True)
class Input:
    """A Terraform variable of a workspace that is the output of another one, by the other's name."""

    variable: str
    workspace: str
    output: str

    @property
    def source(self) -> str:
        """Where it comes from, as plangate.yml has it: `network-prod.vpc_id`."""
        return f"{self.workspace}.{self.output}"


@dataclass(frozen=True)
class OutputValue:
    """An output's value as a state has it: text as it is, anything else (`hcl`) as an expression."""

    value: str
    hcl: bool = False
    sensitive: bool = False


class Unreadable(StrEnum):
    """Why the outputs of a state can't be read."""

    ENCRYPTED = "OpenTofu has encrypted it"
    INVALID = "it is not valid JSON, or a value in it is nested too deeply or too large"


def outputs_of(state: bytes) -> dict[str, OutputValue] | Unreadable:
    """Return the outputs of a state by their names, or why they can't be read."""
    try:
        document = json.loads(state, parse_float=Decimal, parse_constant=_refuse)
        if not isinstance(document, dict):
            return Unreadable.INVALID
        if "encrypted_data" in document:
            return Unreadable.ENCRYPTED
        found = document.get("outputs", {})
        if not isinstance(found, dict):
            return Unreadable.INVALID
        there = {name: each for name, each in found.items() if isinstance(each, dict) and "value" in each}
        return {name: _output(each) for name, each in there.items()}
    except (ValueError, ArithmeticError, RecursionError):
        return Unreadable.INVALID


def _refuse(constant: str) -> None:
    # Python reads `NaN` and `Infinity`, which are not JSON. In HCL they would be names.
    raise ValueError(f"{constant} is not JSON")


def _output(document: dict[str, Any]) -> OutputValue:
    # Anything but a plain "no" makes it sensitive: what is unclear must not be shown (promise 6).
    value, sensitive = document["value"], document.get("sensitive", False) is not False
    if isinstance(value, str):
        return OutputValue(value, sensitive=sensitive)
    return OutputValue(_expression(value), hcl=True, sensitive=sensitive)


def _expression(value: Any) -> str:
    """Return a value of JSON as an expression of HCL in which nothing is evaluated."""
    match value:
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case str():
            return f'"{_SPECIAL.sub(_escape, value)}"'
        case list():
            return "[" + ", ".join(map(_expression, value)) + "]"
        case dict():
            pairs = (f"{_key(key)} = {_expression(each)}" for key, each in value.items())
            return "{" + ", ".join(pairs) + "}"
        case _:
            return str(value)


def _key(key: str) -> str:
    """Return a key of an object. Quotes make text a secret if the output is sensitive: none without need."""
    return key if _IDENTIFIER.match(key) else _expression(key)


def _escape(found: re.Match[str]) -> str:
    return _ESCAPES.get(found[0], f"\\u{ord(found[0]):04x}")
