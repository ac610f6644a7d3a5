"""Reads JSON strictly: exact numbers, no key twice, no endless nesting."""

from __future__ import annotations

import json
from collections.abc import Iterable
from decimal import Decimal, InvalidOperation
from typing import Any

from bot.terraform.saved_plan.faults import UnreadablePlan


def load(data: bytes, what: str, *, whole: type = dict) -> Any:
    """Return a JSON document whose numbers are Decimals. Raises UnreadablePlan, naming `what`."""
    try:
        text = data.decode("utf-8")
        found = json.loads(
            text,
            object_pairs_hook=_pairs,
            parse_int=Decimal,
            parse_float=Decimal,
            parse_constant=_constant,
        )
    except (ValueError, RecursionError, InvalidOperation) as error:
        raise UnreadablePlan(
            f"{what} is not valid JSON: {str(error)[:200] or type(error).__name__}"
        ) from None
    if not isinstance(found, whole):
        raise UnreadablePlan(f"{what} is not a JSON {'object' if whole is dict else 'array'}")
    return found


def _pairs(pairs: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    pairs = list(pairs)
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("an object has a key twice")
    return found


def _constant(name: str) -> Any:
    raise ValueError(f"{name} is not a number")
