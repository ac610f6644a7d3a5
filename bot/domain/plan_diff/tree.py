"""What differs between two values, as a tree: each node knows its sign and what is in it."""

from __future__ import annotations

import json
from collections.abc import Hashable, Iterable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Any

from bot.domain.plan_diff.marked import MISSING, Hidden, Secret, TooDeep, UnknownValue, fingerprint, marked
from bot.domain.plan_diff.sequences import Budget, aligned

CREATE, DELETE, UPDATE, SAME = "+", "-", "~", ""

Path = tuple[str | int, ...]

_BEGINS_JSON = frozenset("{[ \t\r\n")


class Form(StrEnum):
    """How a node is written."""

    LEAF = "leaf"
    OBJECT = "object"
    LIST = "list"
    TEXT = "text"
    JSON = "json"


@dataclass(slots=True)
class Node:
    """A value before and after. `children` are named in an object, and unnamed in a list and in JSON.

    `forces` is true of the value that makes a change a replacement.
    """

    sign: str
    old: Any
    new: Any
    form: Form = Form.LEAF
    children: tuple[tuple[str, Node], ...] = ()
    forces: bool = False


class Comparing:
    """Compares the values of one change. `forcing` are the paths that make it a replacement."""

    def __init__(self, budget: Budget, forcing: Iterable[Path] = ()) -> None:
        self._budget = budget
        self._forcing = frozenset(forcing)

    def node(self, old: Any, new: Any, path: Path = (), exact: bool = False) -> Node:
        """Return what differs between two marked values. With `exact` a null is something (as in JSON)."""
        found = self._node(old, new, path, exact)
        found.forces = path in self._forcing
        return found

    def _node(self, old: Any, new: Any, path: Path, exact: bool) -> Node:
        before = old is not MISSING and (exact or old is not None)
        after = new is not MISSING and (exact or new is not None)
        whole = SAME if before == after else CREATE if after else DELETE
        one, other = (old if before else new), (new if after else old)
        if isinstance(one, dict) and isinstance(other, dict):
            return self._object(old, new, path, exact, whole)
        if isinstance(one, list) and isinstance(other, list):
            return self._list(old, new, path, whole)
        sign = whole or (SAME if same(old, new) else UPDATE)
        if isinstance(one, str | Hidden) and isinstance(other, str | Hidden):
            return self._text(old, new, one, other, sign)
        return Node(sign, old, new)

    def _object(self, old: Any, new: Any, path: Path, exact: bool, whole: str) -> Node:
        before: dict[str, Any] = old if isinstance(old, dict) else {}
        after: dict[str, Any] = new if isinstance(new, dict) else {}
        children = []
        for name in sorted(before if before.keys() == after.keys() else {*before, *after}):
            left, right = before.get(name, MISSING), after.get(name, MISSING)
            nothing = (left is None or left is MISSING) and (right is None or right is MISSING)
            if nothing and not exact and (whole or left is right):
                continue  # a null that stays one is not worth a line
            # A null that comes into an object, or goes, is something.
            children.append((name, self.node(left, right, (*path, name), exact or nothing)))
        return Node(_sign(whole, children), old, new, Form.OBJECT, tuple(children))

    def _list(self, old: Any, new: Any, path: Path, whole: str) -> Node:
        before: list[Any] = old if isinstance(old, list) else []
        after: list[Any] = new if isinstance(new, list) else []
        children = []
        for i, j in self._paired(before, after):
            left = MISSING if i is None else before[i]
            right = MISSING if j is None else after[j]
            place = j if j is not None else i
            children.append(("", self.node(left, right, (*path, place or 0), exact=True)))
        return Node(_sign(whole, children), old, new, Form.LIST, tuple(children))

    def _paired(self, old: list[Any], new: list[Any]) -> Iterator[tuple[int | None, int | None]]:
        """Give the places of elements; where objects take the place of objects, they are compared."""
        if not old or not new:
            yield from ((i, None) for i in range(len(old)))
            yield from ((None, j) for j in range(len(new)))
            return
        removed: list[int] = []
        added: list[int] = []
        pairs = aligned([token(each) for each in old], [token(each) for each in new], self._budget)
        for i, j in (*pairs, (-1, -1)):
            if j is None and i is not None:
                removed.append(i)
            elif i is None and j is not None:
                added.append(j)
            else:
                yield from _matched(old, new, removed, added)
                removed, added = [], []
                if i != -1:
                    yield i, j

    def _text(self, old: Any, new: Any, one: Any, other: Any, sign: str) -> Node:
        found = document(one)
        if found is not None and (and_other := found if other == one else document(other)) is not None:
            before = MISSING if sign == CREATE else found
            after = MISSING if sign == DELETE else and_other
            inner = Comparing(self._budget).node(before, after, exact=True)
            return Node(sign, old, new, Form.JSON, (("", inner),))
        return Node(sign, old, new, Form.TEXT if "\n" in text(one) or "\n" in text(other) else Form.LEAF)


def same(old: Any, new: Any) -> bool:
    """Whether two marked values are the same, in type too: to Python, `1` equals `true`."""
    if type(old) is not type(new):
        return False  # where only one of them is sensitive, too: that is a change
    if isinstance(old, dict):
        return old.keys() == new.keys() and all(same(old[name], new[name]) for name in old)
    if isinstance(old, list):
        return len(old) == len(new) and all(map(same, old, new))
    return bool(old == new)


def token(value: Any) -> Hashable:
    """Return something hashable that tells marked values apart."""
    if isinstance(value, dict):
        return ("{", *((name, token(each)) for name, each in sorted(value.items())))
    if isinstance(value, list):
        return ("[", *map(token, value))
    return (type(value), value)


def text(value: Any) -> str:
    """Return the text of a string, without the secrets in it."""
    return value.text if isinstance(value, Hidden) else str(value)


def unmarked(value: Any) -> str:
    """Return a fingerprint of a value whether or not it is sensitive."""
    match value:
        case Secret() | Hidden() | TooDeep():
            return value.fingerprint
        case _:
            return fingerprint(value, None)


def document(value: Any) -> Any:
    """Return the object or list in a string of JSON, None if it holds none.

    A document with a key that occurs twice counts as plain text: programs disagree on which one is meant.
    """
    value = value.text if isinstance(value, Hidden) else value
    if (
        not isinstance(value, str)
        or value[:1] not in _BEGINS_JSON
        or not value.lstrip().startswith(("{", "["))
    ):
        return None
    try:
        found = json.loads(
            value, parse_float=Decimal, parse_constant=_refused, object_pairs_hook=_without_doubles
        )
    except (ValueError, RecursionError, ArithmeticError):
        return None
    return marked(found) if isinstance(found, dict | list) and found else None


def _refused(constant: str) -> Any:
    raise ValueError(f"{constant} is not JSON")


def _without_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key occurs twice")
    return found


def _sign(whole: str, children: list[tuple[str, Node]]) -> str:
    return whole or (UPDATE if any(child.sign for _, child in children) else SAME)


def _matched(
    old: list[Any], new: list[Any], removed: list[int], added: list[int]
) -> Iterator[tuple[int | None, int | None]]:
    """Give what lies between two common elements: containers in pairs, everything else by itself."""
    rest = list(added)
    for i in removed:
        if rest and _becomes(old[i], new[rest[0]]):
            yield i, rest.pop(0)
        else:
            yield i, None
    yield from ((None, j) for j in rest)


def _becomes(old: Any, new: Any) -> bool:
    """Whether an element is better shown as changed than as gone, and another one as new."""
    alike = any(isinstance(old, kind) and isinstance(new, kind) for kind in (dict, list))
    return alike or isinstance(new, UnknownValue)
