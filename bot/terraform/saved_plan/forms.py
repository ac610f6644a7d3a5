"""The forms in which `show -json` writes a value of a plan, and exact comparison with what it wrote.

The rules are those of `internal/command/jsonplan/plan.go`: unknowns are left out of objects and are null in
lists; a mask says where they were, another where sensitive values are. Masks leave out `false` in objects.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from bot.terraform.saved_plan.model import Path
from bot.terraform.saved_plan.values import Unknown, Value

MOST_DIFFERENCES = 100
_PLAIN_NUMBER = re.compile(r"-?[0-9]+(?:\.[0-9]+)?\Z")
_SEQUENCES, _MAPPINGS = {"list", "tuple", "set"}, {"map", "object"}


class _Absent:
    """Stands for a part that the JSON does not have."""

    def __repr__(self) -> str:
        return "absent"


ABSENT = _Absent()


@dataclass(frozen=True, slots=True)
class Difference:
    """Where a saved plan and its JSON disagree.

    `saved` and `shown` may hold secrets and hostile text: they are JSON in ASCII, whole. `str()` gives only
    the place, in ASCII as well.
    """

    where: str
    saved: str = field(repr=False)
    shown: str = field(repr=False)

    def __str__(self) -> str:
        return self.where.encode("ascii", "backslashreplace").decode()


class Findings:
    """Collects differences, up to a number at which one is enough to know that all is wrong."""

    def __init__(self) -> None:
        self.found: list[Difference] = []
        # (resource type, path) where only the provider's schema says that a value is sensitive.
        self.by_schema: set[tuple[str, str]] = set()

    def add(self, where: str, saved: object, shown: object) -> None:
        """Note a difference."""
        if len(self.found) < MOST_DIFFERENCES:
            self.found.append(Difference(where, _text(saved), _text(shown)))

    def same(self, where: str, saved: object, shown: object) -> None:
        """Note each place at which two JSON values differ, numbers compared by value."""
        if isinstance(saved, dict) and isinstance(shown, dict):
            for key in saved.keys() | shown.keys():
                self.same(f"{where}.{key}", saved.get(key, ABSENT), shown.get(key, ABSENT))
        elif isinstance(saved, list) and isinstance(shown, list):
            for number in range(max(len(saved), len(shown))):
                self.same(f"{where}[{number}]", _at(saved, number), _at(shown, number))
        elif not _equal(saved, shown):
            self.add(where, saved, shown)

    def only(self, where: str, shown: Mapping[str, object], known: Iterable[str]) -> None:
        """Note the parts of an object that are not known here."""
        for key in shown.keys() - set(known):
            self.add(f"{where}.{key}", ABSENT, shown[key])

    def same_in_any_order(self, where: str, saved: Sequence[object], shown: Sequence[object]) -> None:
        """Note what only one of two lists has."""
        left, right = Counter(map(canonical, saved)), Counter(map(canonical, shown))
        for text in left - right:
            self.add(where, text, ABSENT)
        for text in right - left:
            self.add(where, ABSENT, text)

    def list_in(self, shown: Mapping[str, Any], key: str) -> list[Any]:
        """Return a list of a JSON object, empty if it has none."""
        found = shown.get(key, [])
        if not isinstance(found, list):
            self.add(key, [], found)
            return []
        return found

    def object_in(self, shown: Mapping[str, Any], key: str) -> dict[str, Any]:
        """Return an object in a JSON object, empty if it has none."""
        found = shown.get(key, {})
        if not isinstance(found, dict):
            self.add(key, {}, found)
            return {}
        return found

    def masked(
        self, where: str, value: Value, marks: Marks, shown: object, resource_type: str, path: str = ""
    ) -> None:
        """Check a mask of sensitive parts: all that the plan marks, and the shape of the value.

        The plan does not hold what the provider's schema marks: such marks are noted in `by_schema`.
        """
        if shown is True:
            if not marks.here:
                self.by_schema.add((resource_type, path))
        elif marks.here:
            self.add(where, True, shown)
        elif isinstance(value, list):
            if not isinstance(shown, list) or len(shown) != len(value):
                self.add(where, value, shown)
                return
            for number, part in enumerate(value):
                below = marks.below(number)
                self.masked(f"{where}[{number}]", part, below, shown[number], resource_type, f"{path}[]")
        elif isinstance(value, dict):
            if not isinstance(shown, dict) or not shown.keys() <= value.keys() or False in shown.values():
                self.add(where, value, shown)
                return
            for key, part in value.items():
                said = shown.get(key, False)
                self.masked(f"{where}.{key}", part, marks.below(key), said, resource_type, f"{path}.{key}")
        elif not _unmarked(value, shown):
            self.add(where, False, shown)


class Marks:
    """Paths to sensitive parts as a tree."""

    def __init__(self, paths: Iterable[Path] = ()) -> None:
        self.here = False
        self._below: dict[str | int, Marks] = {}
        for path in paths:
            self._add(path)

    def below(self, step: str | int) -> Marks:
        """Return the marks of a part."""
        return self._below.get(step, _NONE)

    def _add(self, path: Path) -> None:
        node = self
        for step in path:
            if isinstance(step, bool) or not isinstance(step, str | int):
                break  # an element of a set: the set as a whole is marked
            node = node._below.setdefault(step, Marks())
        node.here = True


_NONE = Marks()


def known(value: Value) -> Any:
    """Return a value as JSON shows it, ABSENT if nothing of it is known."""
    if isinstance(value, Unknown):
        return ABSENT
    if isinstance(value, dict):
        return {key: form for key, part in value.items() if (form := known(part)) is not ABSENT}
    if isinstance(value, list):
        return [None if (form := known(part)) is ABSENT else form for part in value]
    return value


def unknown_mask(value: Value) -> Any:
    """Return where a value is unknown."""
    if isinstance(value, Unknown):
        return True
    if isinstance(value, dict):
        masks = {key: unknown_mask(part) for key, part in value.items()}
        return {key: mask for key, mask in masks.items() if mask is not False}
    if isinstance(value, list):
        return [unknown_mask(part) for part in value]
    return False


def wholly_known(value: Value) -> bool:
    """Tell whether no part of a value is unknown."""
    if isinstance(value, dict):
        return all(map(wholly_known, value.values()))
    if isinstance(value, list):
        return all(map(wholly_known, value))
    return not isinstance(value, Unknown)


def canonical(value: object) -> str:
    """Return a text that two JSON values share only if they are equal."""
    return json.dumps(_canonical(value), sort_keys=True)


def _canonical(value: object) -> object:
    if isinstance(value, bool) or value is None or isinstance(value, str):
        return value
    if isinstance(value, Decimal | int | float):
        return {"number": _shortest(Decimal(repr(value)) if isinstance(value, float) else Decimal(value))}
    if isinstance(value, dict):
        return {key: _canonical(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_canonical(part) for part in value]
    return {"other": repr(value)}


def _shortest(number: Decimal) -> str:
    """Return one text for all ways to write a number. `Decimal.normalize` would round it."""
    sign, digits, exponent = number.as_tuple()
    text = "".join(map(str, digits)).lstrip("0")
    kept = text.rstrip("0")
    return f"{'-' * sign}{kept}e{int(exponent) + len(text) - len(kept)}" if kept else "0"


def _unmarked(value: Value, shown: object) -> bool:
    """Tell whether a mask without marks may look so for a value that has no parts."""
    if isinstance(value, Unknown):
        if not value.kind:
            return shown is False or shown in ([], {})
        if value.kind in _SEQUENCES:
            return shown == [] and isinstance(shown, list)
        if value.kind in _MAPPINGS:
            return shown == {} and isinstance(shown, dict)
    return shown is False


def _at(items: list[Any], number: int) -> Any:
    return items[number] if number < len(items) else ABSENT


def _equal(saved: object, shown: object) -> bool:
    if isinstance(shown, Decimal):
        return _same_number(saved, shown)
    return type(saved) is type(shown) and saved == shown


def _same_number(saved: object, shown: Decimal) -> bool:
    if isinstance(saved, bool):
        return False
    if isinstance(saved, float):
        # Go writes the shortest digits that name the float.
        return shown in (Decimal(repr(saved)), Decimal(saved))
    if isinstance(saved, int | Decimal):
        return shown == saved
    if not isinstance(saved, str) or not _PLAIN_NUMBER.match(saved):
        return False
    # Without a schema, digits may be a number: cty writes so what is exact neither as int64 nor as float64.
    number = Decimal(saved)
    if number != shown or Decimal(float(number)) == number:
        return False
    return not (number == number.to_integral_value() and -(2**63) <= number < 2**63)


def _text(value: object) -> str:
    return "absent" if value is ABSENT else json.dumps(value, default=repr)
