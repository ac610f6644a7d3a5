"""Checks that an answer of a server has the form that is expected, before anything of it is used."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from bot.domain.errors import PlangateError


class BadAnswer(PlangateError):
    """The server's answer is not one of Plangate."""


@dataclass(frozen=True)
class Nullable:
    """A value that may be missing or null."""

    shape: Any


@dataclass(frozen=True)
class Texts:
    """An object of texts, with names of its own."""


def shaped(value: Any, shape: Any, where: str = "data") -> Any:
    """Return the value with only the members of its shape. Raises BadAnswer, which names the place.

    A shape is a type (`datetime`: a text with a point in time), an object of shapes, a list with one shape,
    or one of the above.
    """
    match shape:
        case Nullable():
            return None if value is None else shaped(value, shape.shape, where)
        case Texts():
            found = _of(value, dict, where)
            return {_of(name, str, where): _of(each, str, where) for name, each in found.items()}
        case Mapping():
            found = _of(value, dict, where)
            return {name: shaped(found.get(name), each, f"{where}.{name}") for name, each in shape.items()}
        case [each]:
            return [shaped(one, each, where) for one in _of(value, list, where)]
        case _ if shape is datetime:
            return _moment(value, where)
        case _:
            return _of(value, shape, where)


def _of(value: Any, kind: type, where: str) -> Any:
    # In Python, true is a number, too.
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise BadAnswer(
            f"the server's answer has no usable {where}. Is it the address of a Plangate, of this version?"
        )
    return value


def _moment(value: Any, where: str) -> str:
    text: str = _of(value, str, where)
    try:
        datetime.fromisoformat(text)
    except ValueError:
        raise BadAnswer(f"the server's answer has no point in time in {where}") from None
    return text
