"""What one state has that another has not: resources, outputs, and the attributes that differ.

A state's values are secrets until something says that they are not (promise 6). A state does not tell which
attributes a provider calls sensitive, but a plan does, in `sensitive_values` of what it knew before
(https://developer.hashicorp.com/terraform/internals/json-format#values-representation): so values show only
of the types of resources that a plan has told of. What the state itself marks, and what sounds like a secret,
never shows.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from bot.domain.plans.attributes import Attributes, attributes
from bot.domain.states.file import json_object

_SOUNDS_SECRET = re.compile(
    r"passw|passphrase|secret|token|credential|private|api_?key|access_?key|client_?key|kube_?config|\bauth",
    re.IGNORECASE,
)

Marks = Mapping[str, frozenset[tuple[str, ...]]]
"""By type of resource: the paths of its sensitive attributes, without the places in lists."""


class StateChangeKind(StrEnum):
    """How a resource or an output differs."""

    ADDED = "added"
    REMOVED = "removed"
    CHANGED = "changed"


@dataclass(frozen=True)
class _Instance:
    """An instance of a resource, as a state has it."""

    type: str
    attributes: Mapping[str, Any] = field(repr=False)
    marks: frozenset[tuple[str, ...]]


@dataclass(frozen=True)
class ResourceDelta:
    """An instance that only one of two states has, or that is not the same in both.

    `told` are the sensitive attributes that plans have told of, None if none has: then no value shows.
    """

    kind: StateChangeKind
    address: str
    told: frozenset[tuple[str, ...]] | None
    old: _Instance | None = field(repr=False)
    new: _Instance | None = field(repr=False)

    def attributes(self) -> Attributes:
        """Return the attributes that differ; worked out when they are asked for, for there may be many."""
        marks = [self._sensitive(one) for one in (self.old, self.new)]
        change = {
            "before": dict(self.old.attributes) if self.old else None,
            "after": dict(self.new.attributes) if self.new else None,
            "before_sensitive": marks[0],
            "after_sensitive": marks[1],
        }
        return attributes(change)

    def _sensitive(self, one: _Instance | None) -> Any:
        if one is None:
            return True
        if self.told is None:
            # Each attribute by itself, so that those that differ are named at least.
            return dict.fromkeys(one.attributes, True)
        marked = (each.marks for each in (self.old, self.new) if each)
        return _sensitive((), dict(one.attributes), self.told.union(*marked))


@dataclass(frozen=True)
class OutputDelta:
    """An output that differs; its values are among the attributes, hidden if it is sensitive."""

    kind: StateChangeKind
    name: str
    attributes: Attributes


@dataclass(frozen=True)
class StateDelta:
    """What differs, by address; `same` counts the instances that do not."""

    resources: tuple[ResourceDelta, ...]
    outputs: tuple[OutputDelta, ...]
    same: int


def compare(before: bytes, after: bytes, marks: Marks) -> StateDelta:
    """Return what differs between two states; one that can't be read has nothing in it."""
    old_state, new_state = json_object(before) or {}, json_object(after) or {}
    old, new = dict(_instances(old_state)), dict(_instances(new_state))
    found, same = [], 0
    for address in sorted({*old, *new}):
        one, other = old.get(address), new.get(address)
        if one is not None and other is not None and one.attributes == other.attributes:
            same += 1
        else:
            kind = (
                StateChangeKind.ADDED
                if one is None
                else StateChangeKind.REMOVED
                if other is None
                else StateChangeKind.CHANGED
            )
            some = other or one
            told = marks.get(some.type) if some else None
            found.append(ResourceDelta(kind, address, told, one, other))
    return StateDelta(tuple(found), tuple(_outputs(old_state, new_state)), same)


def marks_of(plan: Mapping[str, Any]) -> Marks:
    """Return the sensitive attributes of every type of resource whose values a plan knew in full."""
    found: dict[str, set[tuple[str, ...]]] = {}
    prior = plan.get("prior_state")
    values = prior.get("values") if isinstance(prior, dict) else None
    for resource in _within(values.get("root_module") if isinstance(values, dict) else None):
        kind = resource.get("type")
        if isinstance(kind, str) and "sensitive_values" in resource:
            found.setdefault(kind, set()).update(_paths((), resource["sensitive_values"]))
    return {kind: frozenset(paths) for kind, paths in found.items()}


def together(marks: Iterable[Marks]) -> Marks:
    """Return what any of several plans has said."""
    found: dict[str, frozenset[tuple[str, ...]]] = {}
    for each in marks:
        for kind, paths in each.items():
            found[kind] = found.get(kind, frozenset()) | paths
    return found


def _sensitive(path: tuple[str, ...], value: Any, secret: frozenset[tuple[str, ...]]) -> Any:
    """Return the marks of a value, in the form that a plan's JSON has them."""
    if path in secret or (path and _SOUNDS_SECRET.search(path[-1])):
        return True
    if isinstance(value, dict):
        return {name: _sensitive((*path, name), each, secret) for name, each in value.items()}
    if isinstance(value, list):
        return [_sensitive(path, each, secret) for each in value]
    return False


def _outputs(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[OutputDelta]:
    before, after = (_of(state, "outputs") for state in (old, new))
    for name in sorted({*before, *after}):
        one, other = before.get(name), after.get(name)
        if one == other:
            continue
        kind = (
            StateChangeKind.ADDED
            if one is None
            else StateChangeKind.REMOVED
            if other is None
            else StateChangeKind.CHANGED
        )
        sides = [each if isinstance(each, dict) else {} for each in (one, other)]
        # Anything but a plain "no" hides the value, on either side.
        hides = any(side.get("sensitive", False) is not False for side in sides)
        change = {
            "before": {"value": sides[0].get("value")} if one is not None else None,
            "after": {"value": sides[1].get("value")} if other is not None else None,
            "before_sensitive": {"value": hides},
            "after_sensitive": {"value": hides},
        }
        yield OutputDelta(kind, name, attributes(change))


def _instances(state: Mapping[str, Any]) -> Iterator[tuple[str, _Instance]]:
    listed = state.get("resources")
    for one in listed if isinstance(listed, list) else []:
        kind, name = (one.get("type"), one.get("name")) if isinstance(one, dict) else (None, None)
        instances = one.get("instances") if isinstance(one, dict) else None
        if not (isinstance(kind, str) and isinstance(name, str) and isinstance(instances, list)):
            continue
        module = one.get("module")
        parts = [module if isinstance(module, str) else "", "data" if one.get("mode") == "data" else ""]
        address = ".".join(part for part in (*parts, kind, name) if part)
        for each in instances:
            if isinstance(each, dict):
                values = each.get("attributes")
                marks = frozenset(_steps(each.get("sensitive_attributes")))
                instance = _Instance(kind, values if isinstance(values, dict) else {}, marks)
                yield address + _index(each), instance


def _index(instance: Mapping[str, Any]) -> str:
    key, deposed = instance.get("index_key"), instance.get("deposed")
    index = "" if key is None else f"[{json.dumps(key, ensure_ascii=False)}]"
    return f"{index} (deposed object {deposed})" if deposed else index


def _steps(listed: Any) -> Iterator[tuple[str, ...]]:
    """The paths that a state marks: each a list of steps into attributes and indexes."""
    for path in listed if isinstance(listed, list) else []:
        steps = [step for step in path if isinstance(step, dict)] if isinstance(path, list) else []
        values = [step["value"].get("value") if isinstance(step.get("value"), dict) else step.get("value")
                  for step in steps]  # fmt: skip
        yield tuple(value for value in values if isinstance(value, str))


def _within(module: Any) -> Iterator[Mapping[str, Any]]:
    """Every resource of a module and of those within it."""
    if not isinstance(module, dict):
        return
    for name, below in (("resources", False), ("child_modules", True)):
        listed = module.get(name)
        for each in listed if isinstance(listed, list) else []:
            if below:
                yield from _within(each)
            elif isinstance(each, dict):
                yield each


def _paths(path: tuple[str, ...], marks: Any) -> Iterator[tuple[str, ...]]:
    if marks is True:
        yield path
    elif isinstance(marks, dict):
        for name, each in marks.items():
            yield from _paths((*path, name), each)
    elif isinstance(marks, list):
        for each in marks:
            yield from _paths(path, each)


def _of(state: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = state.get(name)
    return found if isinstance(found, dict) else {}
