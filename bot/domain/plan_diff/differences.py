"""How two plans differ: each value that differs, down to the leaves, with the part that differs in sight.

Values are compared inside objects, lists, JSON documents in strings, and lines of texts. Of sensitive values
only that they differ is told (promise 6).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from bot.domain.plan_diff import escaping, windows
from bot.domain.plan_diff.headers import HeaderWords, text_of
from bot.domain.plan_diff.marked import MISSING, Hidden, Hide, Secret, marked
from bot.domain.plan_diff.sequences import Budget, aligned
from bot.domain.plan_diff.tree import Comparing, Form, Node, text
from bot.domain.plan_diff.values import scalar

NOT_SET = "(not set)"
NO_LINE = "(no such line)"
SENSITIVE_DIFFERS = "(sensitive value differs)"
SECRETS_DIFFER = " (the secrets in it differ)"

_LONGEST_PATH = 150
_RUNS = re.compile(r"  +")


@dataclass(frozen=True)
class Leaf:
    """A value that differs within one object. Of a sensitive one `old` and `new` are empty."""

    path: str
    old: str = ""
    new: str = ""
    sensitive: bool = False


@dataclass(frozen=True)
class PlanDifference:
    """A value that differs between two plans: its path, and the value in each plan.

    `path` is empty if only one of the plans has the object; the other's side is then `NOT_SET`.
    """

    address: str
    path: str
    old: str
    new: str
    sensitive: bool = False


def differences(
    before: Mapping[str, Any], now: Mapping[str, Any], *, hide: Hide | None = None, characters: int = 80
) -> tuple[PlanDifference, ...]:
    """Compare two plans' JSON. A text longer than `characters` is shown around its first difference."""
    old, new = objects(before), objects(now)
    words = HeaderWords(hide=hide)
    found = []
    for key in sorted({*old, *new}):
        plain, deposed, rest = key.partition(" (deposed ")
        address = words.address({"address": plain}) + escaping.visible(deposed + rest)
        left, right = (_actions(each[key]) if key in each else NOT_SET for each in (old, new))
        if left != right:
            found.append(PlanDifference(address, "", left, right))
        if key in old and key in new:
            leaves = differing(old[key], new[key], hide=hide, characters=characters)
            for leaf in leaves:
                left, right = (SENSITIVE_DIFFERS,) * 2 if leaf.sensitive else (leaf.old, leaf.new)
                found.append(PlanDifference(address, leaf.path, left, right, leaf.sensitive))
    return tuple(found)


def objects(document: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """Return what a plan does, by address: to resources, to outputs, and by actions."""
    found: dict[str, Mapping[str, Any]] = {}
    for item in _items(document, "resource_changes"):
        deposed = f" (deposed {item['deposed']})" if item.get("deposed") else ""
        found[text_of(item, "address") + deposed] = item
    outputs = document.get("output_changes")
    for name, change in outputs.items() if isinstance(outputs, dict) else ():
        if isinstance(change, dict):
            found[f"output.{name}"] = {"change": change}
    for item in _items(document, "action_invocations"):
        trigger = item.get("lifecycle_action_trigger") or item.get("invoke_action_trigger") or {}
        about = [text_of(trigger, key) for key in sorted(trigger)] if isinstance(trigger, dict) else []
        after, marks = item.get("config_values"), (item.get("config_sensitive"), item.get("config_unknown"))
        change = {
            "actions": ["invoke"],
            "after": after,
            "after_sensitive": marks[0],
            "after_unknown": marks[1],
        }
        found[" ".join([text_of(item, "address"), *filter(None, about)])] = {"change": change}
    return found


def differing(
    old: Mapping[str, Any], new: Mapping[str, Any], *, hide: Hide | None = None, characters: int = 80
) -> list[Leaf]:
    """Return the leaves that differ between two plans' changes of the same object.

    First what the plans make of it, then what they find: those have `(before)` after their path.
    """
    return list(_Leaves(hide, characters).of(old, new))


class _Leaves:
    def __init__(self, hide: Hide | None, characters: int) -> None:
        self._hide = hide
        self._most = characters
        self._budget = Budget()

    def of(self, old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[Leaf]:
        planned = [self._planned(each) for each in (old, new)]
        current = [self._current(each) for each in (old, new)]
        told = list(self._between(*planned))
        yield from told
        gone = all(each is MISSING for each in planned)
        known = {leaf.path for leaf in told}
        for leaf in self._between(*current):
            if gone:
                yield leaf
            elif leaf.path not in known:
                yield Leaf(f"{leaf.path} (before)", leaf.old, leaf.new, leaf.sensitive)
        yield from self._between(*(self._about(each) for each in (old, new)))

    def _planned(self, item: Mapping[str, Any]) -> Any:
        change = item.get("change") or {}
        marks = change.get("after_sensitive"), change.get("after_unknown")
        return _some(marked(change.get("after"), *marks, self._hide))

    def _current(self, item: Mapping[str, Any]) -> Any:
        change = item.get("change") or {}
        return _some(marked(change.get("before"), change.get("before_sensitive"), None, self._hide))

    def _about(self, item: Mapping[str, Any]) -> Any:
        """Return what is said of a change beside its values."""
        change = item.get("change") or {}
        found = {
            "(moved from)": item.get("previous_address"),
            "(reason)": item.get("action_reason"),
            "(provider)": item.get("provider_name"),
            "(imported)": change.get("importing"),
            "(forces replacement)": change.get("replace_paths"),
            "(generated configuration)": change.get("generated_config"),
        }
        return marked({key: value for key, value in found.items() if value}, hide=self._hide)

    def _between(self, old: Any, new: Any) -> Iterator[Leaf]:
        yield from self._walk("", Comparing(self._budget).node(old, new, exact=True))

    def _walk(self, path: str, node: Node) -> Iterator[Leaf]:
        if not node.sign:
            return
        containers = node.form in (Form.OBJECT, Form.LIST)
        if containers and node.children:
            index = 0
            for name, child in node.children:
                if node.form is Form.LIST:
                    yield from self._walk(f"{path}[{index}]", child)
                    index += child.new is not MISSING or node.new is MISSING
                else:
                    yield from self._walk(_joined(path, name, self._hide), child)
        elif node.form is Form.JSON and node.children[0][1].sign:
            yield from self._walk(path, node.children[0][1])
        elif node.form is Form.TEXT:
            yield from self._lines(path, node.old, node.new)
        else:
            yield self._leaf(path, node.old, node.new)
            # A value of one kind in place of another: what is in it differs as well.
            for side in ((node.old, MISSING), (MISSING, node.new)):
                if node.form is Form.LEAF and any(isinstance(each, dict | list) for each in side):
                    yield from self._inside(path, *side)

    def _inside(self, path: str, old: Any, new: Any) -> Iterator[Leaf]:
        node = Comparing(self._budget).node(old, new, exact=True)
        if node.children:
            yield from self._walk(path, node)

    def _lines(self, path: str, old: Any, new: Any) -> Iterator[Leaf]:
        before, after = _lines_of(old), _lines_of(new)
        removed: list[int] = []
        added: list[int] = []
        told = False
        for i, j in (*aligned(before, after, self._budget), (-1, -1)):
            if j is None and i is not None:
                removed.append(i)
            elif i is None and j is not None:
                added.append(j)
            else:
                for nth in range(max(len(removed), len(added))):
                    left = before[removed[nth]] if nth < len(removed) else None
                    right = after[added[nth]] if nth < len(added) else None
                    number = added[nth] if nth < len(added) else removed[nth]
                    yield self._leaf(f"{path} (line {number + 1:,})", left, right, NO_LINE)
                    told = True
                removed, added = [], []
        if not told:
            yield Leaf(_short(path), *(f"(a text){SECRETS_DIFFER}",) * 2)

    def _leaf(self, path: str, old: Any, new: Any, absent: str = NOT_SET) -> Leaf:
        path = _short(path)
        if isinstance(old, Secret) or isinstance(new, Secret):
            return Leaf(path, sensitive=True)
        if isinstance(old, str | Hidden) and isinstance(new, str | Hidden):
            left, right = _shown_around(text(old), text(new), self._most)
            note = SECRETS_DIFFER if left == right else ""
            return Leaf(path, left + note, right + note)
        return Leaf(path, self._value(old, absent), self._value(new, absent))

    def _value(self, value: Any, absent: str) -> str:
        if value is MISSING or (value is None and absent is NO_LINE):
            return absent
        if isinstance(value, str | Hidden):
            return str(windows.start(text(value), self._most))
        if isinstance(value, dict | list):
            return _kind(value)
        return scalar(value)


def _lines_of(value: Any) -> list[str]:
    return text(value).split("\n") if isinstance(value, str | Hidden) else []


def _shown_around(old: str, new: str, most: int) -> tuple[str, str]:
    """Return both texts in quotes, so that their first difference is seen, also where spaces are folded."""
    left, right = map(str, windows.around(old, new, most))
    # Escapes make a text longer.
    while max(len(left), len(right)) > 3 * most and most > 8:
        most //= 2
        left, right = map(str, windows.around(old, new, most))
    if " ".join(left.split()) == " ".join(right.split()):
        left, right = (_RUNS.sub(lambda run: "\\u0020" * len(run[0]), each) for each in (left, right))
    return left, right


def _kind(value: Any) -> str:
    """Say what an object or a list is; what is in it has leaves of its own."""
    if not value:
        return "{}" if isinstance(value, dict) else "[]"
    kind, word = ("an object", "attribute") if isinstance(value, dict) else ("a list", "element")
    return f"({kind} of {len(value):,} {word}{'' if len(value) == 1 else 's'})"


def _joined(path: str, name: str, hide: Hide | None) -> str:
    name = hide(name) if hide else name
    if name.startswith("(") and not path:
        return escaping.visible(name)
    shown = escaping.name(name)
    if shown != name:
        return f"{path}[{shown}]" if path else shown
    return f"{path}.{shown}" if path else shown


def _short(path: str) -> str:
    """Return a path; of a very long one both ends, and how much is between."""
    if not path:
        return "value"
    if len(path) <= _LONGEST_PATH:
        return path
    half = _LONGEST_PATH // 2
    return f"{path[:half]}… ({len(path) - 2 * half:,} characters) …{path[-half:]}"


def _some(value: Any) -> Any:
    return MISSING if value is None else value


def _actions(item: Mapping[str, Any]) -> str:
    return escaping.visible(
        " then ".join(map(str, (item.get("change") or {}).get("actions") or ())) or "none"
    )


def _items(document: Mapping[str, Any], key: str) -> list[Mapping[str, Any]]:
    found = document.get(key)
    return [each for each in found if isinstance(each, dict)] if isinstance(found, list) else []
