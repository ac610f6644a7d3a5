"""Drift: what a plan of the configuration that was applied last finds to differ.

Such a plan should find nothing. It finds what others changed in the world (`resource_drift` of the plan's
JSON), and what an apply would change: also if somebody edited the state, or the values of variables.
Source: https://developer.hashicorp.com/terraform/internals/json-format
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from bot.domain.workspaces.drift import DriftIgnore

MOST_KEPT = 200
"""How many resources are kept of one drift. The others are counted."""

_OUTPUT = "output."
"""What the address of an output begins with."""

_MOST_ATTRIBUTES = 20
_UNCHANGED = (("no-op",), ("read",))


@dataclass(frozen=True)
class DriftedResource:
    """A resource (or `output.NAME`) that is not as it was applied.

    `outside` is what happened outside of Terraform (`changed`, `deleted`), empty if nothing is known.
    `planned` is what an apply of the configuration would do (`create`, `update`, `replace`, `delete`), or
    empty. `attributes` are the first names of attributes, never values (promise 6). `last` says who wrote
    the resource into the state last, if it is known.
    """

    address: str
    outside: str = ""
    planned: str = ""
    attributes: tuple[str, ...] = ()
    last: str = ""

    @property
    def words(self) -> str:
        """Say it, such as `changed outside of Terraform: tags; an apply would update it`."""
        outside = f"{self.outside} outside of Terraform" if self.outside else ""
        named = f": {', '.join(self.attributes)}" if self.attributes else ""
        if not self.planned:
            return f"{outside}{named}; an apply would change nothing"
        would = f"an apply would {self.planned} it"
        return f"{outside}{named}; {would}" if outside else f"{would}{named}"


def read_drift(document: Mapping[str, Any], ignore: Iterable[DriftIgnore]) -> tuple[DriftedResource, ...]:
    """Return what drifted according to a plan's JSON, by address, without what the rules ignore.

    A resource that only moved to another address has not drifted, nor has one with no changed attribute.
    """
    found: dict[str, DriftedResource] = {}
    for item in document.get("resource_drift") or ():
        address, change = str(item.get("address", "")), item.get("change") or {}
        if "delete" in (change.get("actions") or ()):
            found[address] = DriftedResource(address, "deleted")
        elif attributes := _attributes(change):
            found[address] = DriftedResource(address, "changed", attributes=attributes)
    for address, change in _planned(document):
        known = found.get(address, DriftedResource(address))
        update = change.get("actions") == ["update"]
        attributes = _attributes(change) if update else ()
        if update and not attributes and not address.startswith(_OUTPUT):
            continue
        both = tuple(sorted({*known.attributes, *attributes}))
        found[address] = replace(known, planned=_deed(change.get("actions") or ()), attributes=both)
    rules = tuple(ignore)
    kept = (_without(each, rules) for _, each in sorted(found.items()))
    return tuple(
        replace(each, attributes=each.attributes[:_MOST_ATTRIBUTES]) for each in kept if each is not None
    )


def hidden(drift: DriftedResource, hide: Callable[[str], str]) -> DriftedResource:
    """Return it without secrets: keys of `for_each` may have some."""
    return replace(drift, address=hide(drift.address), attributes=tuple(map(hide, drift.attributes)))


def _planned(document: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for item in document.get("resource_changes") or ():
        change = item.get("change") or {}
        if item.get("mode") != "data" and tuple(change.get("actions") or ()) not in _UNCHANGED:
            yield str(item.get("address", "")), change
    for name, change in (document.get("output_changes") or {}).items():
        if tuple(change.get("actions") or ()) not in _UNCHANGED:
            yield f"{_OUTPUT}{name}", {"actions": change.get("actions")}


def _without(drift: DriftedResource, rules: Iterable[DriftIgnore]) -> DriftedResource | None:
    left = drift.attributes
    for rule in rules:
        found = rule.left_of(drift.address, left)
        if found is None:
            return None
        left = found
    # Only changes of attributes can be ignored by attributes: not that a resource is gone.
    return None if drift.attributes and not left else replace(drift, attributes=left)


def _attributes(change: Mapping[str, Any]) -> tuple[str, ...]:
    before, after, unknown = (change.get(each) for each in ("before", "after", "after_unknown"))
    if not isinstance(before, Mapping) or not isinstance(after, Mapping):
        return ()
    later = {key for key, value in unknown.items() if value} if isinstance(unknown, Mapping) else set()
    differs = {key for key in {*before, *after} if before.get(key) != after.get(key)}
    return tuple(sorted(differs | later))


def _deed(actions: Iterable[str]) -> str:
    done = tuple(actions)
    return "replace" if "create" in done and "delete" in done else "/".join(done)
