"""What a plan does that another did not: added, removed, altered; in a sentence and in rows.

Of a sensitive attribute only the name is told (promise 6).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from bot.domain.plan_diff.differences import differing
from bot.domain.plan_diff.marked import Hide
from bot.domain.plans.plan import ResourceChange, read_plan

_NAMED = 5
_MOST_ATTRIBUTES = 200


class DeltaKind(StrEnum):
    """How a resource's change differs."""

    ADDED = "added"
    REMOVED = "removed"
    ALTERED = "altered"


@dataclass(frozen=True)
class AttributeDelta:
    """An attribute with another value than before; both are empty if it is sensitive.

    `name` is the path down to the value: `policy.Statement[0].Principal.AWS`. A long text is shown around
    its first difference.
    """

    name: str
    before: str = ""
    after: str = ""


@dataclass(frozen=True)
class DeltaRow:
    """One resource or output whose change differs. `symbol` is the sign of its change.

    `more` is how many attributes differ beside those that are listed.
    """

    kind: DeltaKind
    symbol: str
    address: str
    attributes: tuple[AttributeDelta, ...] = ()
    more: int = 0


def delta(
    before: Mapping[str, Any], now: Mapping[str, Any], hide: Hide | None = None
) -> tuple[DeltaRow, ...]:
    """Return what differs between two plans' JSON: what is added, then removed, then altered.

    `hide` replaces secrets in values, before anything of them is cut.
    """
    old, new = _changes(before), _changes(now)
    rows = [DeltaRow(DeltaKind.ADDED, symbol, address) for address, symbol in sorted(set(new) - set(old))]
    rows += [DeltaRow(DeltaKind.REMOVED, symbol, address) for address, symbol in sorted(set(old) - set(new))]
    for address, symbol in sorted(set(old) & set(new)):
        if leaves := differing(old[address, symbol], new[address, symbol], hide=hide):
            found = tuple(AttributeDelta(leaf.path, leaf.old, leaf.new) for leaf in leaves[:_MOST_ATTRIBUTES])
            rows.append(DeltaRow(DeltaKind.ALTERED, symbol, address, found, len(leaves) - len(found)))
    return tuple(rows)


def sentence(rows: tuple[DeltaRow, ...]) -> str:
    """Say it in a line: `+ aws_iam_policy.x; no longer ~ aws_s3.y; other values for aws_db.z (size)`."""
    parts = [
        _named(rows, DeltaKind.ADDED, "", lambda row: f"{row.symbol} {row.address}"),
        _named(rows, DeltaKind.REMOVED, "no longer ", lambda row: f"{row.symbol} {row.address}"),
        _named(rows, DeltaKind.ALTERED, "other values for ", _altered),
    ]
    return "; ".join(part for part in parts if part)


def _named(rows: tuple[DeltaRow, ...], kind: DeltaKind, before: str, words: Callable[[DeltaRow], str]) -> str:
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
            found[address + deposed, ResourceChange(address, actions).symbol.strip() or "→"] = item
    for name, change in (document.get("output_changes") or {}).items():
        actions = tuple(change.get("actions", ()))
        if actions != ("no-op",):
            found[f"output.{name}", ResourceChange(name, actions).symbol.strip()] = {"change": change}
    return found
