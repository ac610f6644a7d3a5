"""Reads the few needed fields from a forge's JSON, and names a field that is missing or wrong.

Forges add and drop fields over the years, so other fields are ignored.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TypeVar

from bot.domain.errors import Invalid

_SHA = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")
# The greatest number of a database; JSON itself has no limit.
_LARGEST = 2**63
_T = TypeVar("_T")


def look(source: object, path: str) -> object:
    """Return the value at a dotted path, None if any part of the path is missing."""
    found = source
    for name in path.split("."):
        if not isinstance(found, Mapping):
            return None
        found = found.get(name)
    return found


def text(source: object, path: str) -> str:
    """Return the text at a path. Raises Invalid if there is none."""
    return _must(optional_text(source, path), path, "a text")


def optional_text(source: object, path: str) -> str | None:
    """Return the text at a path, None if there is none; fit for a database and for UTF-8."""
    found = look(source, path)
    return storable(found) if isinstance(found, str) else None


def number(source: object, path: str) -> int:
    """Return the positive number at a path. Raises Invalid if there is none."""
    return _must(optional_number(source, path), path, "a number")


def optional_number(source: object, path: str) -> int | None:
    """Return the positive number at a path, None if there is none."""
    found = look(source, path)
    # JSON's true is an int in Python.
    is_number = isinstance(found, int) and not isinstance(found, bool)
    return found if is_number and isinstance(found, int) and 0 < found < _LARGEST else None


def sha(source: object, path: str) -> str:
    """Return the commit at a path. Raises Invalid if there is none: it is given to Git later."""
    found = optional_text(source, path)
    return _must(found if found and _SHA.fullmatch(found) else None, path, "a commit")


def texts(source: object, path: str, name: str) -> tuple[str, ...]:
    """Return a field of each object in the list at a path. What is missing or wrong is left out."""
    found = look(source, path)
    each = (optional_text(one, name) for one in (found if isinstance(found, list) else ()))
    return tuple(dict.fromkeys(filter(None, each)))


def flag(source: object, path: str) -> bool:
    """Return whether the value at a path is true; any other or no value is false."""
    return look(source, path) is True


def moment(source: object, path: str) -> datetime | None:
    """Return the time at a path (ISO 8601, in UTC where it names no zone), None if there is none.

    GitLab's webhooks spell it `2026-11-24 12:00:00 UTC`.
    """
    try:
        found = datetime.fromisoformat((optional_text(source, path) or "").replace(" UTC", "+00:00"))
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _must(found: _T | None, path: str, what: str) -> _T:
    if found is None:
        raise Invalid(f"there should be {what} at `{path}`")
    return found


def storable(found: str) -> str:
    """Replace characters that a database can't store: halves of surrogate pairs, and NUL (PostgreSQL)."""
    return found.encode("utf-8", "replace").decode().replace("\0", "\N{REPLACEMENT CHARACTER}")


def shown(word: str) -> str:
    """Shorten a word from a payload to one line, because reasons are shown on pages and in logs."""
    kept = "".join(letter if letter.isprintable() else "?" for letter in word[:100])
    return kept if len(word) <= 100 else f"{kept}…"


def json_object(body: bytes | str) -> dict[str, object]:
    """Return a delivery's JSON object. Raises Invalid, which quotes nothing of the body."""
    try:
        payload = json.loads(body)
    except (ValueError, RecursionError):
        # The parser's message quotes the body, which helps nobody.
        raise Invalid("the delivery's body is not JSON") from None
    if not isinstance(payload, dict):
        raise Invalid("the delivery's body is not a JSON object")
    return payload
