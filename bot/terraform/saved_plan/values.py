"""Values of a plan: msgpack as cty writes it, turned into plain Python values.

Extension 0 is an unknown, extension 12 an unknown of which something is known. A value whose type the schema
leaves open is an array of two: the type as JSON, in bytes, and the value. Other bytes do not occur.
Numbers are whole numbers, floats, or decimal digits in a string where neither is exact. Without the schema
such a string can't be told from text: it stays a string, unless the type came with it.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, TypeAlias

import msgpack

from bot.terraform.saved_plan.faults import UnreadablePlan

MOST_NESTED = 150
_UNKNOWN, _REFINED = 0, 12
_DIGITS = re.compile(r"-?[0-9]+(?:\.[0-9]+)?\Z")
_PRIMITIVES = {"string", "number", "bool"}
_COLLECTIONS = {"list", "set", "map"}

# A type as JSON: "string", ["list", "number"], ["object", {"a": "bool"}].
CtyType: TypeAlias = Any


@dataclass(frozen=True, slots=True)
class Unknown:
    """A value that is known only after apply.

    `kind` is the type's first word (`string`, `list`), empty if only the provider's schema tells it.
    `refinements` is what is known nevertheless: pairs of a number of cty's and its value.
    """

    kind: str = ""
    refinements: tuple[tuple[int, Any], ...] = ()


Value: TypeAlias = "bool | int | float | Decimal | str | Unknown | list[Any] | dict[str, Any] | None"


@dataclass(frozen=True, slots=True)
class Typed:
    """A value and its type, None if the type is not in the plan."""

    type: CtyType
    value: Value


def decode_value(data: bytes) -> Value:
    """Return a value of which only the schema tells the type. Raises UnreadablePlan."""
    return decode_typed(data).value


def decode_typed(data: bytes) -> Typed:
    """Return a value with the type that came with it. Raises UnreadablePlan."""
    if not data:
        raise _damaged("it is empty")
    try:
        raw = msgpack.unpackb(data, strict_map_key=True, ext_hook=_extension, object_pairs_hook=_pairs)
    except (ValueError, TypeError, RecursionError, OverflowError) as error:
        raise _damaged(str(error) or type(error).__name__) from None
    if _is_dynamic(raw):
        kind = _type(raw[0])
        return Typed(kind, _as(raw[1], kind, 1))
    return Typed(None, _plain(raw, 0))


def _damaged(why: str) -> UnreadablePlan:
    return UnreadablePlan(f"the saved plan has a value that can't be read: {why[:200]}")


def _extension(code: int, payload: bytes) -> Unknown:
    if code == _UNKNOWN:
        return Unknown()
    if code != _REFINED or len(payload) > 65_536:
        raise ValueError(f"extension {code} is not known")
    found = msgpack.unpackb(payload, strict_map_key=False, object_pairs_hook=_refinements)
    if not isinstance(found, tuple):
        raise ValueError("what is known of an unknown is not a map")
    return Unknown("", found)


def _refinements(pairs: Iterable[tuple[Any, Any]]) -> tuple[tuple[int, Any], ...]:
    found = {key: tuple(value) if isinstance(value, list) else value for key, value in pairs}
    if not all(isinstance(key, int) for key in found):
        raise ValueError("what is known of an unknown has no numbers")
    return tuple(sorted(found.items()))


def _pairs(pairs: Iterable[tuple[Any, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if not isinstance(key, str) or key in found:
            raise ValueError("a map has a key twice, or one that is not text")
        found[key] = value
    return found


def _is_dynamic(raw: Any) -> bool:
    return isinstance(raw, list) and len(raw) == 2 and isinstance(raw[0], bytes)


def _plain(raw: Any, depth: int) -> Value:
    """Return a value without a type, in which parts may have one."""
    if raw is None or isinstance(raw, str | bool | int | Unknown):
        return raw
    if depth > MOST_NESTED:
        raise _damaged(f"it is nested more than {MOST_NESTED} deep")
    if isinstance(raw, float):
        return _finite(raw)
    if isinstance(raw, dict):
        return {key: _plain(value, depth + 1) for key, value in raw.items()}
    if isinstance(raw, list):
        if _is_dynamic(raw):
            return _as(raw[1], _type(raw[0]), depth + 1)
        return [_plain(value, depth + 1) for value in raw]
    raise _damaged(f"it holds a {type(raw).__name__}")


def _finite(number: float) -> float:
    if not math.isfinite(number):
        raise _damaged("a number is not finite")
    return number


def _as(raw: Any, kind: CtyType, depth: int) -> Value:
    """Return a value of a type. Raises UnreadablePlan if it is not of that type."""
    if depth > MOST_NESTED:
        raise _damaged(f"it is nested more than {MOST_NESTED} deep")
    if isinstance(raw, Unknown):
        word = kind if isinstance(kind, str) else kind[0]
        return Unknown("" if word == "dynamic" else word, raw.refinements)
    if raw is None:
        return None
    if isinstance(kind, str):
        return _primitive(raw, kind, depth)
    word, inner = kind[0], kind[1]
    if word == "object" and isinstance(raw, dict) and raw.keys() == inner.keys():
        return {key: _as(value, inner[key], depth + 1) for key, value in raw.items()}
    if word == "map" and isinstance(raw, dict):
        return {key: _as(value, inner, depth + 1) for key, value in raw.items()}
    if word == "tuple" and isinstance(raw, list) and len(raw) == len(inner):
        return [_as(value, part, depth + 1) for value, part in zip(raw, inner, strict=True)]
    if word in ("list", "set") and isinstance(raw, list):
        return [_as(value, inner, depth + 1) for value in raw]
    raise _damaged(f"it is not of its type {word}")


def _primitive(raw: Any, kind: str, depth: int) -> Value:
    if kind == "dynamic":
        if not _is_dynamic(raw):
            raise _damaged("its type is missing")
        return _as(raw[1], _type(raw[0]), depth + 1)
    if kind == "string" and isinstance(raw, str):
        return raw
    if kind == "bool" and isinstance(raw, bool):
        return raw
    if kind == "number" and not isinstance(raw, bool):
        if isinstance(raw, int):
            return raw
        if isinstance(raw, float):
            return _finite(raw)
        if isinstance(raw, str) and _DIGITS.match(raw):
            return Decimal(raw)
    raise _damaged(f"it is not of its type {kind}")


def _type(raw: Any) -> CtyType:
    if not isinstance(raw, bytes) or len(raw) > 1_000_000:
        raise _damaged("a type is not one")
    try:
        found = json.loads(raw)
    except (ValueError, RecursionError):
        raise _damaged("a type is not one") from None
    if not is_type(found):
        raise _damaged("a type is not one")
    return found


def is_type(found: Any, depth: int = 0) -> bool:
    """Tell whether a JSON value names a type of cty."""
    if isinstance(found, str):
        return found in _PRIMITIVES or found == "dynamic"
    if depth > MOST_NESTED or not isinstance(found, list) or len(found) not in (2, 3):
        return False
    word, inner = found[0], found[1]
    if word == "object":
        optional = found[2] if len(found) == 3 else []
        return (
            isinstance(inner, dict)
            and isinstance(optional, list)
            and all(is_type(part, depth + 1) for part in inner.values())
        )
    if len(found) == 3:
        return False
    if word == "tuple":
        return isinstance(inner, list) and all(is_type(part, depth + 1) for part in inner)
    return isinstance(word, str) and word in _COLLECTIONS and is_type(inner, depth + 1)
