"""What a plan does that another did not: added, removed, altered; in a sentence and in rows.

Of a sensitive attribute only the name is told (promise 6).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from bot.domain.plan import ResourceChange, read_plan

_NAMED = 5
_LONGEST_VALUE = 80
_MOST_ATTRIBUTES = 20


class Kind(StrEnum):
    """How a resource's change differs."""

    ADDED = "added"
    REMOVED = "removed"
    ALTERED = "altered"


@dataclass(frozen=True)
class AttributeDelta:
    """An attribute with another value than before; both are empty where it is sensitive."""

    name: str
    before: str = ""
    after: str = ""


@dataclass(frozen=True)
class DeltaRow:
    """One resource or output whose change differs. `symbol` is the sign of its change."""

    kind: Kind
    symbol: str
    address: str
    attributes: tuple[AttributeDelta, ...] = ()


def delta(before: Mapping[str, Any], now: Mapping[str, Any]) -> tuple[DeltaRow, ...]:
    """Return what differs between two plans' JSON: what is added, then removed, then altered."""
    old, new = _changes(before), _changes(now)
    rows = [DeltaRow(Kind.ADDED, symbol, address) for address, symbol in sorted(set(new) - set(old))]
    rows += [DeltaRow(Kind.REMOVED, symbol, address) for address, symbol in sorted(set(old) - set(new))]
    for address, symbol in sorted(set(old) & set(new)):
        if attributes := _attributes(old[address, symbol], new[address, symbol]):
            rows.append(DeltaRow(Kind.ALTERED, symbol, address, attributes))
    return tuple(rows)


def sentence(rows: tuple[DeltaRow, ...]) -> str:
    """Say it in a line: `+ aws_iam_policy.x; no longer ~ aws_s3.y; other values for aws_db.z (size)`."""
    parts = [
        _named(rows, Kind.ADDED, "", lambda row: f"{row.symbol} {row.address}"),
        _named(rows, Kind.REMOVED, "no longer ", lambda row: f"{row.symbol} {row.address}"),
        _named(rows, Kind.ALTERED, "other values for ", _altered),
    ]
    return "; ".join(part for part in parts if part)


def _named(rows: tuple[DeltaRow, ...], kind: Kind, before: str, words: Callable[[DeltaRow], str]) -> str:
    found = [row for row in rows if row.kind is kind]
    if not found:
        return ""
    more = f" and {len(found) - _NAMED} more" if len(found) > _NAMED else ""
    return f"{before}{', '.join(words(row) for row in found[:_NAMED])}{more}"


def _altered(row: DeltaRow) -> str:
    names = [attribute.name for attribute in row.attributes[:_NAMED]]
    more = ", ..." if len(row.attributes) > _NAMED else ""
    return f"{row.address} ({', '.join(names)}{more})"


def _changes(document: Mapping[str, Any]) -> dict[tuple[str, str], Mapping[str, Any]]:
    """Return what a plan changes, by address and sign; reads that are left to the apply with them."""
    acting = {resource.address for resource in read_plan(document).resources}
    found: dict[tuple[str, str], Mapping[str, Any]] = {}
    for item in document.get("resource_changes") or ():
        change, address = item.get("change", {}), str(item.get("address", ""))
        actions = tuple(change.get("actions", ()))
        if address in acting or actions == ("read",):
            deposed = f" (deposed {item['deposed']})" if item.get("deposed") else ""
            found[address + deposed, ResourceChange(address, actions).symbol.strip() or "→"] = change
    for name, change in (document.get("output_changes") or {}).items():
        actions = tuple(change.get("actions", ()))
        if actions != ("no-op",):
            found[f"output.{name}", ResourceChange(name, actions).symbol.strip()] = change
    return found


def _attributes(old: Mapping[str, Any], new: Mapping[str, Any]) -> tuple[AttributeDelta, ...]:
    before, after = _values(old), _values(new)
    found = []
    for name in sorted({*before, *after}):
        if before.get(name) == after.get(name):
            continue
        if _sensitive(old, name) or _sensitive(new, name):
            found.append(AttributeDelta(name))
        else:
            found.append(AttributeDelta(name, _shown(before.get(name)), _shown(after.get(name))))
    return tuple(found[:_MOST_ATTRIBUTES])


def _values(change: Mapping[str, Any]) -> dict[str, Any]:
    """Return each attribute as a text that tells every value from every other: what it is, or becomes."""
    after, unknown = change.get("after"), change.get("after_unknown")
    after = after if isinstance(after, dict) else {"value": after}
    unknown = unknown if isinstance(unknown, dict) else {"value": unknown or False}
    before = change.get("before")
    before = before if isinstance(before, dict) else {"value": before}
    names = {*after, *before, *(name for name, value in unknown.items() if value)}
    return {name: (before.get(name), after.get(name), unknown.get(name) or False) for name in names}


def _sensitive(change: Mapping[str, Any], name: str) -> bool:
    marks = (change.get("before_sensitive"), change.get("after_sensitive"))
    return any(mark is True or (isinstance(mark, dict) and bool(mark.get(name))) for mark in marks)


def _shown(values: Any) -> str:
    if values is None:
        return "(not set)"
    before, after, unknown = values
    if unknown:
        return "(known after apply)"
    text = json.dumps(after if after is not None else before, ensure_ascii=False, sort_keys=True)
    return text if len(text) <= _LONGEST_VALUE else f"{text[: _LONGEST_VALUE - 1]}…"
