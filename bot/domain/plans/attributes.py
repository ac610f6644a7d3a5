"""What a change does to a resource's attributes: each with its value before and after, as people read it.

Sensitive values are hidden here, if their marks are at hand (promise 6); what will be known only after the
apply says so. Source of the marks: Terraform's JSON output format, "Change representation".
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from bot.domain.plan_diff.marked import Hide
from bot.domain.plan_diff.windows import common_start

SENSITIVE = "(sensitive value)"
UNKNOWN = "(known after apply)"

_ONE_LINE = 80
_LONGEST = 20_000
# How much is shown before what differs, where the beginning of a long value is left out.
_CONTEXT = 1000
_MOST = 400
_DEEPEST = 40
_NAME = re.compile(r"[A-Za-z_][\w-]*")


class AttributeForm(StrEnum):
    """How an attribute's values are written: in a line, or as a block that has many."""

    LINE = "line"
    TEXT = "text"
    JSON = "json"
    LIST = "list"


@dataclass(frozen=True)
class AttributeChange:
    """An attribute's values before and after; None if it has none. `forces` makes a replacement of it."""

    name: str
    before: str | None
    after: str | None
    form: AttributeForm = AttributeForm.LINE
    forces: bool = False

    @property
    def sign(self) -> str:
        """The sign that Terraform prints before the attribute."""
        if self.before is None:
            return "+"
        return "-" if self.after is None else "~"


@dataclass(frozen=True)
class Attributes:
    """The attributes that a change touches, how many it leaves as they are, and how many are not listed."""

    changed: tuple[AttributeChange, ...]
    unchanged: int = 0
    more: int = 0


@dataclass(frozen=True)
class _Secret:
    """A sensitive value: known only to tell whether it changes."""

    value: Any


@dataclass(frozen=True)
class _Unknown:
    """A value that only the apply will tell."""


_Path = tuple[str | int, ...]


def attributes(change: Mapping[str, Any], hide: Hide | None = None) -> Attributes:
    """Return what a change (as in the plan's JSON) does to the attributes, in the order of their names.

    `hide` replaces secrets in long values, before anything of them is cut.
    """
    before = _marked(change.get("before"), change.get("before_sensitive"), None)
    after = _marked(change.get("after"), change.get("after_sensitive"), change.get("after_unknown"))
    forcing = tuple(tuple(path) for path in change.get("replace_paths") or () if isinstance(path, list))
    found = [
        _row(path, old, new, _forces(path, forcing), hide) for path, old, new in _different((), before, after)
    ]
    return Attributes(tuple(found[:_MOST]), _unchanged(before, after), max(0, len(found) - _MOST))


def forced_by(change: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the names of the attributes that make a change a replacement."""
    paths = [tuple(path) for path in change.get("replace_paths") or () if isinstance(path, list) and path]
    return tuple(_named(path) for path in paths)


def _marked(value: Any, sensitive: Any, unknown: Any) -> Any:
    """Return a value with what may not be shown, and what is not known, put in place."""
    if sensitive is True:
        return None if value is None and unknown is not True else _Secret((value, unknown))
    if unknown is True:
        return _Unknown()
    if isinstance(value, dict) or (value is None and isinstance(unknown, dict) and unknown):
        value = value or {}
        names = {*value, *(name for name, mark in _entries(unknown) if _any(mark))}
        return {
            name: _marked(value.get(name), _part(sensitive, name), _part(unknown, name)) for name in names
        }
    if isinstance(value, list):
        return [_marked(each, _part(sensitive, i), _part(unknown, i)) for i, each in enumerate(value)]
    return value


def _entries(marks: Any) -> list[tuple[str, Any]]:
    return list(marks.items()) if isinstance(marks, dict) else []


def _any(mark: Any) -> bool:
    if isinstance(mark, dict | list):
        return any(_any(each) for each in (mark.values() if isinstance(mark, dict) else mark))
    return mark is True


def _part(marks: Any, key: str | int) -> Any:
    if isinstance(marks, dict):
        return marks.get(key)
    if isinstance(marks, list) and isinstance(key, int):
        return marks[key] if key < len(marks) else None
    return None


def _different(path: _Path, before: Any, after: Any) -> Iterator[tuple[_Path, Any, Any]]:
    """Give every value that is another than before; within objects, each of theirs."""
    if _same(before, after):
        return
    within = isinstance(before, dict | None) and isinstance(after, dict | None) and (before or after)
    if within and len(path) < _DEEPEST:
        old, new = before or {}, after or {}
        for name in sorted({*old, *new}):
            yield from _different((*path, name), old.get(name), new.get(name))
    elif path or before is not None or after is not None:
        yield path, before, after


def _same(before: Any, after: Any) -> bool:
    """Whether two values are the same in type, too: to Python, `1` equals `true`."""
    if type(before) is not type(after):
        return False
    if isinstance(before, dict):
        return before.keys() == after.keys() and all(_same(before[name], after[name]) for name in before)
    if isinstance(before, list):
        return len(before) == len(after) and all(map(_same, before, after))
    return bool(before == after)


def _unchanged(before: Any, after: Any) -> int:
    if not isinstance(before, dict) or not isinstance(after, dict):
        return 0
    return sum(value is not None and _same(value, after.get(name)) for name, value in before.items())


def _forces(path: _Path, forcing: tuple[_Path, ...]) -> bool:
    return any(path[: len(each)] == each or each[: len(path)] == path for each in forcing)


def _row(path: _Path, before: Any, after: Any, forces: bool, hide: Hide | None) -> AttributeChange:
    form = _form(before, after)
    old, new = _cut(_shown(before, form), _shown(after, form), form, hide)
    return AttributeChange(_named(path), old, new, form, forces)


def _form(before: Any, after: Any) -> AttributeForm:
    sides = [side for side in (before, after) if side is not None and not _is_word(side)]
    if sides and all(_document(side) is not None for side in sides):
        return AttributeForm.JSON
    if any(isinstance(side, str) and "\n" in side for side in sides):
        return AttributeForm.TEXT
    if any(isinstance(side, dict | list) and len(_line(side)) > _ONE_LINE for side in sides):
        return AttributeForm.LIST
    return AttributeForm.LINE


def _is_word(value: Any) -> bool:
    return isinstance(value, _Secret | _Unknown)


def _document(value: Any) -> Any:
    """Return the value of a JSON string, None if it is not a JSON object or list."""
    if not isinstance(value, str) or not value.lstrip().startswith(("{", "[")) or len(value) < 3:
        return None
    try:
        found = json.loads(value)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict | list) else None


def _shown(value: Any, form: AttributeForm) -> str | None:
    if value is None:
        return None
    if _is_word(value) or form is AttributeForm.LINE:
        return _line(value)
    if form is AttributeForm.JSON:
        return json.dumps(_document(value), ensure_ascii=False, indent=2)
    if form is AttributeForm.TEXT:
        return value if isinstance(value, str) else _line(value)
    return "\n".join(_block(value))


def _cut(
    before: str | None, after: str | None, form: AttributeForm, hide: Hide | None
) -> tuple[str | None, str | None]:
    """Cut long values. What differs first stays in sight, wherever it is."""
    sides = [before, after]
    if max(len(side or "") for side in sides) <= _LONGEST:
        return before, after
    if hide:
        sides = [side and hide(side) for side in sides]
    old, new = sides
    begin = max(0, common_start(old, new) - _CONTEXT) if old and new else 0
    if form is not AttributeForm.LINE:
        begin = (old or "").rfind("\n", 0, begin) + 1
    old, new = (side and _from(side, begin, "" if form is AttributeForm.LINE else "\n") for side in sides)
    return old, new


def _from(text: str, begin: int, apart: str) -> str:
    """Return the part of a text that begins there, and say how much is left out."""
    head = f"({begin:,} characters before) …{apart}" if begin else ""
    left = len(text) - begin - _LONGEST
    return f"{head}{text[begin : begin + _LONGEST]}" + (f"… ({left:,} more characters)" if left > 0 else "")


def _line(value: Any) -> str:
    """Return a value in one line, as in JSON; what is hidden or unknown in words."""
    match value:
        case _Secret():
            return SENSITIVE
        case _Unknown():
            return UNKNOWN
        case dict():
            return "{" + ", ".join(f"{_key(name)} = {_line(each)}" for name, each in value.items()) + "}"
        case list():
            return "[" + ", ".join(map(_line, value)) + "]"
        case _:
            return json.dumps(value, ensure_ascii=False)


def _block(value: Any, margin: str = "") -> list[str]:
    """Return a value in many lines, one for each of what is in it."""
    inner = margin + "  "
    if isinstance(value, dict) and value:
        lines = ["{"]
        for name, each in sorted(value.items()):
            first, *rest = _block(each, inner)
            lines += [f"{inner}{_key(name)} = {first}", *rest]
        return [*lines, margin + "}"]
    if isinstance(value, list) and value:
        lines = ["["]
        for each in value:
            first, *rest = _block(each, inner)
            lines += [inner + first, *rest]
            lines[-1] += ","
        return [*lines, margin + "]"]
    return [_line(value)]


def _key(name: str) -> str:
    return name if _NAME.fullmatch(name) else json.dumps(name, ensure_ascii=False)


def _named(path: _Path) -> str:
    """Write an attribute's path as Terraform does: `tags["a b"]`, `ingress[0].port`."""
    said = ""
    for part in path:
        if not isinstance(part, str):
            said += f"[{part}]"
        elif not _NAME.fullmatch(part) and said:
            said += f"[{json.dumps(part, ensure_ascii=False)}]"
        else:
            said += f".{part}" if said else part
    return said
