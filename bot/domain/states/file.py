"""Reads the metadata of Terraform's state files, and changes their serial without touching anything else.

A state's values are secrets (promise 6): what leaves this module of them are outputs that are not sensitive,
and the resources' addresses, never their attributes.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

# Far beyond what Terraform makes: a lineage is a UUID, a serial counts the changes.
_WORD_LIMIT = 200
SERIAL_LIMIT = 2**63 - 1

_SPACE = " \t\n\r"


@dataclass(frozen=True)
class StateHeader:
    """A state's metadata; `wrong` says why it can't be stored as the current state."""

    serial: int = 0
    lineage: str = ""
    wrong: str = ""


@dataclass(frozen=True)
class StateOutput:
    """A root module's output. `value` is None if it is sensitive, else JSON, or plain if it is text."""

    name: str
    value: str | None = field(repr=False)
    type: str = ""

    @property
    def sensitive(self) -> bool:
        """Whether the value is hidden."""
        return self.value is None


@dataclass(frozen=True)
class StateResource:
    """A resource or data source in a state, and how many instances it has."""

    address: str
    provider: str
    instances: int
    data: bool = False


@dataclass(frozen=True)
class StateContents:
    """What may be shown of a state."""

    terraform_version: str = ""
    outputs: tuple[StateOutput, ...] = ()
    resources: tuple[StateResource, ...] = ()


def read_header(data: bytes) -> StateHeader:
    """Return serial and lineage, or why it is not a valid state."""
    state = json_object(data)
    if state is None:
        return StateHeader(wrong="it is not a JSON object")
    version, serial, lineage = state.get("version"), _serial(state.get("serial")), word(state.get("lineage"))
    wrong = ""
    if isinstance(version, bool) or not isinstance(version, int):
        wrong = "it has no version"
    elif serial is None:
        wrong = "it has no serial"
    elif not lineage:
        wrong = "it has no lineage"
    return StateHeader(serial or 0, lineage, wrong)


def read_contents(data: bytes) -> StateContents:
    """Return what may be shown. A state that can't be read, or not wholly, shows what of it can be."""
    state = json_object(data) or {}
    outputs = state.get("outputs")
    return StateContents(
        terraform_version=word(state.get("terraform_version")),
        outputs=tuple(_outputs(outputs if isinstance(outputs, dict) else {})),
        resources=tuple(_resources(state.get("resources"))),
    )


def with_serial(data: bytes, serial: int) -> bytes:
    """Return the same state with another serial; every other byte stays as Terraform wrote it.

    Not by reading and writing it whole: numbers with more digits than a float has would change.
    Raises ValueError if it has no serial.
    """
    return _replaced(data, "serial", str(serial))


def with_lineage(data: bytes, lineage: str) -> bytes:
    """Return the same state with another lineage; every other byte stays as Terraform wrote it.

    Raises ValueError if it has none, not even an empty one.
    """
    return _replaced(data, "lineage", json.dumps(lineage))


def _replaced(data: bytes, name: str, value: str) -> bytes:
    text = data.decode("utf-8")
    span = _value_span(text, name)
    return (text[: span[0]] + value + text[span[1] :]).encode()


def json_object(data: bytes) -> dict[str, Any] | None:
    """Return the object that the bytes hold, None if they hold none."""
    # Decoded here, strictly: json.loads would take UTF-16 too, which Terraform can't read back.
    try:
        parsed = json.loads(data.decode("utf-8"))
    except (ValueError, RecursionError):
        return None
    return parsed if isinstance(parsed, dict) else None


def word(value: object) -> str:
    """Return a short printable string as it is, and everything else as an empty one."""
    return value if isinstance(value, str) and len(value) <= _WORD_LIMIT and value.isprintable() else ""


def _serial(value: object) -> int | None:
    if isinstance(value, bool) or not isinstance(value, int):
        return None
    return value if 0 <= value <= SERIAL_LIMIT else None


def _value_span(text: str, name: str) -> tuple[int, int]:
    """Return where the value of the outermost object's member begins and ends; the last one counts."""
    decoder = json.JSONDecoder()
    found: tuple[int, int] | None = None
    at = _past_space(text, 0) + 1
    while text[at : at + 1] != "}":
        key, at = decoder.raw_decode(text, _past_space(text, at))
        start = _past_space(text, _past_space(text, at) + 1)
        _, at = decoder.raw_decode(text, start)
        if key == name:
            found = (start, at)
        at = _past_space(text, at)
        if text[at : at + 1] == ",":
            at = _past_space(text, at + 1)
        elif text[at : at + 1] != "}":
            raise ValueError("the state breaks off")
    if found is None:
        raise ValueError(f"the state has no {name}")
    return found


def _past_space(text: str, at: int) -> int:
    while at < len(text) and text[at] in _SPACE:
        at += 1
    return at


def _outputs(outputs: Mapping[str, Any]) -> Iterator[StateOutput]:
    for name in sorted(outputs):
        one = outputs[name]
        if not isinstance(one, dict):
            continue
        kind = one.get("type")
        # Anything but a plain "no" hides the value: what is unclear must not be shown (promise 6).
        if one.get("sensitive", False) is not False:
            yield StateOutput(name, None, _type(kind))
        else:
            value = one.get("value")
            yield StateOutput(name, value if isinstance(value, str) else _json(value), _type(kind))


def _type(kind: object) -> str:
    """Return a type as Terraform's language writes it, near enough: `string`, `list of string`, `object`."""
    if isinstance(kind, str):
        return kind
    if isinstance(kind, list) and kind and isinstance(kind[0], str):
        inner = _type(kind[1]) if len(kind) > 1 and kind[0] != "tuple" else ""
        return f"{kind[0]} of {inner}" if inner else kind[0]
    return ""


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, indent=2)


def _resources(listed: object) -> Iterator[StateResource]:
    for one in listed if isinstance(listed, list) else []:
        if not isinstance(one, dict):
            continue
        kind, name, module = (one.get(part) for part in ("type", "name", "module"))
        if not (isinstance(kind, str) and isinstance(name, str)):
            continue
        data = one.get("mode") == "data"
        parts = [module if isinstance(module, str) else "", "data" if data else "", kind, name]
        instances, provider = one.get("instances"), one.get("provider")
        yield StateResource(
            address=".".join(part for part in parts if part),
            provider=provider if isinstance(provider, str) else "",
            instances=len(instances) if isinstance(instances, list) else 0,
            data=data,
        )
