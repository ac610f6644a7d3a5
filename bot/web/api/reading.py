"""Reads requests: JSON:API bodies by the declared fields, pages, includes, filters and sort orders.

Unknown attributes are ignored, and null means "not given": clients send what they know.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from flask import request

from bot.domain.errors import Invalid
from bot.web.api.documents import ApiResource, PageOf
from bot.web.api.gate import BODY_LIMIT, current
from bot.web.api.registry import ApiField, FieldKind
from bot.web.request.api_failures import BadParameter
from bot.web.request.bodies import read_body

PAGE_SIZE, LARGEST_PAGE = 20, 100

Subject = TypeVar("Subject")
Include = Callable[[Subject], Iterable[ApiResource]]
"""Returns what an include adds for one subject of the answer."""

_KINDS: Mapping[FieldKind, type | tuple[type, ...]] = {
    FieldKind.STRING: str,
    FieldKind.BOOLEAN: bool,
    FieldKind.INTEGER: int,
    FieldKind.ARRAY: list,
    FieldKind.OBJECT: dict,
}
_TAGGED = re.compile(r"filter\[tagged\]\[(\d{1,3})\]\[(key|value)\]", re.ASCII)


@dataclass(frozen=True)
class Sent:
    """What a body says: attributes that were given, and the relationships as they came."""

    attributes: Mapping[str, Any]
    relationships: Mapping[str, Any]

    def text(self, name: str, default: str = "") -> str:
        """Return a string attribute."""
        return str(self.attributes.get(name, default))

    def truth(self, name: str, default: bool = False) -> bool:
        """Return a boolean attribute."""
        return bool(self.attributes.get(name, default))

    def has(self, name: str) -> bool:
        """Whether an attribute was given, with another value than null."""
        return name in self.attributes

    def strings(self, name: str) -> tuple[str, ...]:
        """Return an array of strings. Raises Invalid if it has something else."""
        found = self.attributes.get(name, [])
        if not all(isinstance(each, str) for each in found):
            raise Invalid(f"{name} must be an array of strings")
        return tuple(found)

    def related(self, name: str) -> str:
        """Return the id of the one resource of a relationship, empty for none."""
        data = self._data(name)
        return str(data.get("id") or "") if isinstance(data, dict) else ""

    def all_related(self, name: str) -> Sequence[Mapping[str, Any]]:
        """Return the resources of a relationship to many. Raises Invalid."""
        data = self._data(name) or []
        if not isinstance(data, list) or not all(isinstance(each, dict) for each in data):
            raise Invalid(f"the relationship {name} must be an array of resources")
        return data

    def _data(self, name: str) -> Any:
        found = self.relationships.get(name)
        return found.get("data") if isinstance(found, dict) else None


def sent() -> Sent:
    """Return what the body says, by the fields that the endpoint declares. Raises Invalid, also for none."""
    data = _json().get("data")
    if not isinstance(data, dict):
        raise Invalid("the body must be a JSON:API document with `data`")
    return Sent(_fields(data.get("attributes"), current().fields), _object(data.get("relationships")))


def as_sent(found: Mapping[str, Any], fields: Sequence[ApiField]) -> Sent:
    """Return what a resource within a body says, by these fields. Raises Invalid."""
    return Sent(_fields(found.get("attributes"), fields), _object(found.get("relationships")))


def sent_list() -> Sequence[Mapping[str, Any]]:
    """Return the resources of a body whose `data` is an array. Raises Invalid."""
    data = _json().get("data")
    if not isinstance(data, list) or not all(isinstance(each, dict) for each in data):
        raise Invalid("the body must be a JSON:API document with an array as `data`")
    return data


def said(name: str) -> str:
    """Return the comment or reason of an action's body, which may have any form. Empty if there is none."""
    document = _json(lenient=True)
    data = document.get("data")
    about = _object(_object(data).get("attributes"))
    found = document.get(name) or about.get(name) or ""
    return found if isinstance(found, str) else ""


def page() -> tuple[int, int]:
    """Return the number and the size of the page that is asked for. Raises BadParameter."""
    return _whole("page[number]", 1, 10**6), min(_whole("page[size]", PAGE_SIZE, 10**6), LARGEST_PAGE)


def part(found: Sequence[Subject]) -> tuple[Sequence[Subject], PageOf]:
    """Return the page of a whole list that is asked for. Raises BadParameter."""
    number, size = page()
    return found[(number - 1) * size : number * size], PageOf(number, size, len(found))


def included(subjects: Iterable[Subject], known: Mapping[str, Include[Subject]]) -> list[ApiResource]:
    """Return what the answer has to include for `include=a,b`. Raises BadParameter for an unknown one.

    Paths such as `run.created_by` add their first part.
    """
    asked = [each.strip() for each in request.args.get("include", "").split(",") if each.strip()]
    names = list(dict.fromkeys(each.partition(".")[0].replace("-", "_") for each in asked))
    for name in names:
        if name not in known:
            raise BadParameter(f"Invalid include parameter: {name}")
    subjects = list(subjects)
    return [each for name in names for subject in subjects for each in known[name](subject)]


def sorted_by(
    found: Iterable[Subject], orders: Mapping[str, Callable[[Subject], Any]], default: str
) -> list[Subject]:
    """Sort a list by `sort=name` or `-name`. An unknown order is the default one."""
    asked = request.args.get("sort", "") or default
    name = asked.removeprefix("-")
    if name not in orders:
        asked = name = default
    return sorted(found, key=orders[name], reverse=asked.startswith("-"))


def words(name: str) -> frozenset[str]:
    """Return the values of a parameter that takes several with commas."""
    return frozenset(each.strip() for each in request.args.get(name, "").split(",") if each.strip())


def tagged() -> Mapping[str, str | None]:
    """Return the keys and values of `filter[tagged][0][key]=...&filter[tagged][0][value]=...`."""
    found: dict[str, dict[str, str]] = {}
    for name, value in request.args.items():
        if parts := _TAGGED.fullmatch(name):
            found.setdefault(parts[1], {})[parts[2]] = value
    return {each["key"]: each.get("value") for each in found.values() if "key" in each}


def _whole(name: str, default: int, most: int) -> int:
    text = request.args.get(name, "") or str(default)
    if not text.isascii() or not text.isdigit() or not 1 <= int(text[:9]) <= most:
        raise BadParameter(f"{name} must be a whole number from 1")
    return int(text[:9])


def _json(*, lenient: bool = False) -> Mapping[str, Any]:
    raw = read_body(current().limit or BODY_LIMIT)
    try:
        found = json.loads(raw) if raw.strip() else {}
    except (ValueError, RecursionError):
        found = None
    if isinstance(found, dict):
        return found
    if lenient:
        return {}
    raise Invalid("the body is not a JSON object")


def _object(found: Any) -> Mapping[str, Any]:
    return found if isinstance(found, dict) else {}


def _fields(found: Any, fields: Sequence[ApiField]) -> Mapping[str, Any]:
    given = {name: value for name, value in _object(found).items() if value is not None}
    read: dict[str, Any] = {}
    for each in fields:
        if each.name not in given:
            continue
        value = given[each.name]
        if not isinstance(value, _KINDS[each.kind]) or (each.kind is FieldKind.INTEGER and value is True):
            raise Invalid(f"{each.name} must be of type {each.kind}")
        if isinstance(value, str) and "\0" in value:
            raise Invalid(f"{each.name} must not have NUL characters")
        if each.choices and value not in each.choices:
            raise Invalid(f"{each.name} must be one of {', '.join(each.choices)}")
        read[each.name] = value
    return read
