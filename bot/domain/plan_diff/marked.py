"""A plan's values with their marks in place: what may not be shown, and what only the apply will tell.

Source of the marks: Terraform's JSON output format, "Change representation". Sensitive values become a
fingerprint here, so that no later step can print one (promise 6).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

DEEPEST = 60
"""Levels of nesting that are shown. What lies deeper is compared, counted and named."""

Hide = Callable[[str], str]
"""Replaces secrets in a text, for values that Terraform does not know to be sensitive."""


class Missing:
    """There is no such key; a null is None."""

    def __repr__(self) -> str:
        return "MISSING"


@dataclass(frozen=True)
class UnknownValue:
    """A value that only the apply will tell."""


MISSING: Final = Missing()
UNKNOWN: Final = UnknownValue()


@dataclass(frozen=True)
class Secret:
    """A sensitive value: only whether it differs can be told."""

    fingerprint: str


@dataclass(frozen=True)
class Hidden:
    """A text in which a secret is replaced. `text` is what may be shown."""

    text: str
    fingerprint: str


@dataclass(frozen=True)
class TooDeep:
    """A value that is nested too deeply to be shown."""

    levels: int
    fingerprint: str


def marked(value: Any, sensitive: Any = None, unknown: Any = None, hide: Hide | None = None) -> Any:
    """Return a value with Secret and Unknown where its marks say so. The depth of the result is bounded."""
    return _marked(value, sensitive, unknown, hide, 0)


def fingerprint(*values: Any) -> str:
    """Return a text that tells values apart, by type as well; they may be nested to any depth."""
    digest = hashlib.sha256()
    for token in _tokens(values):
        digest.update(token.encode("utf-8", "surrogatepass"))
        digest.update(b"\0")
    return digest.hexdigest()


def _fingerprint(value: Any, unknown: Any = None) -> str:
    return fingerprint(value, unknown if _any(unknown) else None)


def _marked(value: Any, sensitive: Any, unknown: Any, hide: Hide | None, depth: int) -> Any:
    if sensitive is True:
        return None if value is None and unknown is not True else Secret(_fingerprint(value, unknown))
    if unknown is True:
        return UNKNOWN
    if isinstance(value, str):
        shown = hide(value) if hide else value
        return value if shown == value else Hidden(shown, _fingerprint(value))
    # A container with nothing but unknown values in it may be null in the value itself.
    if isinstance(value, dict) or (value is None and isinstance(unknown, dict) and _any(unknown)):
        if depth >= DEEPEST:
            return TooDeep(_levels(value), fingerprint(value, sensitive, unknown))
        found: dict[str, Any] = value or {}
        names = dict.fromkeys(found)
        if isinstance(unknown, dict) and unknown.keys() - names.keys():
            names |= {each: None for each, mark in unknown.items() if _any(mark)}
        return {
            each: _marked(found.get(each), _part(sensitive, each), _part(unknown, each), hide, depth + 1)
            for each in names
        }
    if isinstance(value, list) or (value is None and isinstance(unknown, list) and _any(unknown)):
        if depth >= DEEPEST:
            return TooDeep(_levels(value), fingerprint(value, sensitive, unknown))
        items = value or []
        count = max(len(items), len(unknown) if isinstance(unknown, list) and _any(unknown) else 0)
        return [
            _marked(
                items[i] if i < len(items) else None, _item(sensitive, i), _item(unknown, i), hide, depth + 1
            )
            for i in range(count)
        ]
    return value


def _part(marks: Any, key: str) -> Any:
    return marks.get(key) if isinstance(marks, dict) else None


def _item(marks: Any, index: int) -> Any:
    return marks[index] if isinstance(marks, list) and index < len(marks) else None


def _any(marks: Any) -> bool:
    """Whether anything is marked, at any depth."""
    stack = [marks]
    while stack:
        match stack.pop():
            case True:
                return True
            case dict() as inner:
                stack.extend(inner.values())
            case list() as inner:
                stack.extend(inner)
            case _:
                continue
    return False


def _levels(value: Any) -> int:
    levels, layer = 0, [value]
    while layer := [each for each in layer if isinstance(each, dict | list)]:
        levels += 1
        layer = [inner for each in layer for inner in (each.values() if isinstance(each, dict) else each)]
    return levels


def _tokens(values: tuple[Any, ...]) -> Iterator[str]:
    stack: list[Any] = list(values)
    while stack:
        value = stack.pop()
        match value:
            case dict():
                yield f"{{{len(value)}"
                for key in sorted(value):
                    yield f"k{len(key)}"
                    yield key
                stack.extend(value[key] for key in sorted(value))
            case list() | tuple():
                yield f"[{len(value)}"
                stack.extend(value)
            case str():
                yield f"s{len(value)}"
                yield value
            case _:
                yield f"{type(value).__name__} {value!r}"
