"""Writes values as OPA prints them, for `%v` of `sprintf`. Raises ValueError if it can't."""

from __future__ import annotations

from typing import Any

_ESCAPES = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\t": "\\t", "\r": "\\r"}
_EXACT = 1 << 53


def shortest(value: float) -> str:
    """Write a number with the fewest digits that identify it."""
    whole = isinstance(value, int)
    text = repr(int(value) if value == int(value) else value)
    if "e" in text or (abs(value) > _EXACT and not whole):
        raise ValueError("a number is too large or too small to be printed")
    return text


def composite(value: Any) -> str:
    """Write any value in the syntax of OPA's language, such as `["a", 1]` and `{"b": null}`."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return shortest(value)
    if isinstance(value, str):
        return _quoted(value)
    if isinstance(value, dict):
        pairs = sorted(value.items(), key=lambda pair: _order(pair[0]))
        return "{" + ", ".join(f"{composite(key)}: {composite(inner)}" for key, inner in pairs) + "}"
    if isinstance(value, set | frozenset):
        inner = ", ".join(composite(each) for each in sorted(value, key=_order))
        return f"{{{inner}}}" if value else "set()"
    return "[" + ", ".join(composite(each) for each in value) + "]"


def _order(value: Any) -> tuple[int, Any]:
    """Return a key that sorts simple values as OPA does: null, booleans, numbers, texts."""
    if value is None or isinstance(value, bool):
        return (0 if value is None else 1, bool(value))
    if isinstance(value, int | float):
        return (2, value)
    if isinstance(value, str):
        return (3, value.encode())
    raise ValueError("a set of such values can't be printed in OPA's order")


def _quoted(text: str) -> str:
    letters = []
    for letter in text:
        plain = letter in _ESCAPES or " " <= letter <= "~" or (letter > "~" and letter.isalnum())
        if not plain:
            raise ValueError(f"the character {letter!r} can't be printed as OPA does")
        letters.append(_ESCAPES.get(letter, letter))
    return f'"{"".join(letters)}"'
