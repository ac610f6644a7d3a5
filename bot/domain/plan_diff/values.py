"""Writes a tree of differences in lines, in Terraform's layout."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from bot.domain.plan_diff import escaping, windows
from bot.domain.plan_diff.lines import Line
from bot.domain.plan_diff.marked import MISSING, Hidden, Hide, Missing, Secret, TooDeep, UnknownValue
from bot.domain.plan_diff.sequences import Budget
from bot.domain.plan_diff.texts import TextLimits, TextWriter, unchanged
from bot.domain.plan_diff.tree import (
    CREATE,
    DELETE,
    SAME,
    UPDATE,
    Comparing,
    Form,
    Node,
    document,
    text,
    unmarked,
)

IMPORTANT = frozenset({"id", "name", "tags"})
"""Attributes that are shown even where they stay the same, as Terraform does."""

UNKNOWN_TEXT = "(known after apply)"
SENSITIVE_TEXT = "(sensitive value)"

_WIDEST_NAME = 40
_LONGEST_NAME = 200


@dataclass(slots=True)
class _Style:
    """How values within a value are written: `quiet` without `-> null`, `full` with what is unchanged."""

    quiet: bool = False
    full: bool = False


class Writer:
    """Writes nodes as lines. `hide` replaces secrets in names."""

    def __init__(self, limits: TextLimits, budget: Budget, hide: Hide | None = None) -> None:
        self._limits = limits
        self._budget = budget
        self._texts = TextWriter(limits, budget)
        self._hide = hide

    def attributes(self, node: Node, indent: int, *, full: bool = False, quiet: bool = False) -> list[Line]:
        """Return the lines of a resource's attributes."""
        return self._members(node, indent, _Style(quiet, full), limited=True)

    def attribute(
        self, shown: str, node: Node, indent: int, *, width: int = 0, full: bool = False, quiet: bool = False
    ) -> list[Line]:
        """Return the lines of one named value; of a very long one the first lines and how many more."""
        lines = self._named(shown, node, indent, width, _Style(quiet, full))
        if len(lines) == 1:
            return lines
        more = len(lines) - self._limits.lines
        if more <= 1:
            return lines
        note = Line(indent + 4, "", f"# ({more:,} more lines of this value are left out)")
        return [*lines[: self._limits.lines - 1], note, lines[-1]]

    def title(self, name: str) -> str:
        """Return a name as it is written; a very long one is cut, and says so."""
        name = self._hide(name) if self._hide else name
        if len(name) <= _LONGEST_NAME:
            return escaping.name(name)
        return str(windows.start(name, _LONGEST_NAME))

    def _named(self, shown: str, node: Node, indent: int, width: int, style: _Style) -> list[Line]:
        first, *rest = self._body(node, indent, style)
        named = Line(indent, node.sign, f"{shown:<{width}} = {first.text}")
        return [*_warnings(node, indent), named, *rest] if node.sign == UPDATE else [named, *rest]

    def _members(self, node: Node, indent: int, style: _Style, limited: bool = False) -> list[Line]:
        """Return the lines of what is in an object."""
        titles = {name: self.title(name) for name, _ in node.children}
        width = min(max(map(len, titles.values()), default=0), _WIDEST_NAME)
        lines: list[Line] = []
        hidden = 0
        for name, child in node.children:
            important = name in IMPORTANT
            if not child.sign and not important and not style.full:
                hidden += 1
                continue
            full = style.full or important
            if limited:
                lines += self.attribute(
                    titles[name], child, indent, width=width, full=full, quiet=style.quiet
                )
            else:
                lines += self._named(titles[name], child, indent, width, _Style(style.quiet, full))
        if hidden:
            lines.append(Line(indent, "", unchanged("attribute", hidden)))
        return lines

    def _body(self, node: Node, indent: int, style: _Style) -> list[Line]:
        """Return a value's lines; the first one's text stands after the name."""
        match node.form:
            case Form.OBJECT:
                within = _Style(style.quiet or node.sign == DELETE, style.full)
                inner = self._members(node, indent + 4, within)
                return self._enclosed("{", inner, "}", node, indent, style)
            case Form.LIST:
                return self._enclosed("[", self._elements(node, indent + 4, style), "]", node, indent, style)
            case Form.TEXT:
                return self._heredoc(node, indent, style)
            case Form.JSON:
                return self._json(node, indent, style)
            case Form.LEAF:
                return self._leaf(node, indent, style)

    def _enclosed(
        self, opening: str, inner: list[Line], closing: str, node: Node, indent: int, style: _Style
    ) -> list[Line]:
        if not inner:
            return [Line(indent, node.sign, f"{opening}{closing}{_null(node, style)}{_forces(node)}")]
        return [
            Line(indent, node.sign, opening + _forces(node)),
            *inner,
            Line(indent, "", closing + _null(node, style)),
        ]

    def _elements(self, node: Node, indent: int, style: _Style) -> list[Line]:
        """Return the lines of a list: what changes, with an unchanged element before and after it."""
        children = [child for _, child in node.children]
        shown = [bool(child.sign) or style.full for child in children]
        beside = [
            shown[i] or (i > 0 and shown[i - 1]) or (i + 1 < len(shown) and shown[i + 1])
            for i in range(len(shown))
        ]
        lines: list[Line] = []
        hidden = 0
        for child, visible in zip(children, beside, strict=True):
            if not visible:
                hidden += 1
                continue
            if hidden:
                lines.append(Line(indent, "", unchanged("element", hidden)))
                hidden = 0
            inner = _Style(quiet=True, full=style.full or not child.sign)
            first, *rest = self._body(child, indent, inner)
            found = [*_warnings(child, indent), Line(indent, child.sign, first.text), *rest]
            last = found[-1]
            found[-1] = Line(last.indent, last.sign, last.text + ",")
            lines += found
        if hidden:
            lines.append(Line(indent, "", unchanged("element", hidden)))
        return lines

    def _heredoc(self, node: Node, indent: int, style: _Style) -> list[Line]:
        if node.sign == UPDATE:
            inner = self._texts.line_by_line(text(node.old), text(node.new), indent + 4)
        else:
            content = text(node.old if node.sign == DELETE else node.new)
            inner = self._texts.whole(content, indent + 4, node.sign)
        return [
            Line(indent, node.sign, f"<<-EOT{_forces(node)}{_hidden_note(node)}"),
            *inner,
            Line(indent, "", "EOT" + _null(node, style)),
        ]

    def _json(self, node: Node, indent: int, style: _Style) -> list[Line]:
        _, inner = node.children[0]
        respaced = node.sign == UPDATE and not inner.sign
        note = ""
        if respaced:
            note = " # whitespace changes force replacement" if node.forces else " # whitespace changes"
            note = _hidden_note(node) or note
        first, *rest = self._body(inner, indent + 4, _Style(quiet=True, full=style.full or respaced))
        sign = UPDATE if inner.sign == UPDATE else SAME
        forces = "" if respaced else _forces(node)
        return [
            Line(indent, node.sign, f"jsonencode({note}"),
            Line(indent + 4, sign, first.text + ("" if rest else forces)),
            *rest[:-1],
            *(Line(last.indent, last.sign, last.text + forces) for last in rest[-1:]),
            Line(indent, "", ")" + _null(node, style)),
        ]

    def _leaf(self, node: Node, indent: int, style: _Style) -> list[Line]:
        if isinstance(node.old, Secret) or isinstance(node.new, Secret):
            return [Line(indent, node.sign, f"{SENSITIVE_TEXT}{_null(node, style)}{_forces(node)}")]
        match node.sign:
            case "+":
                found = self._whole(node.new, indent, CREATE)
            case "-":
                found = self._whole(node.old, indent, DELETE)
            case "~":
                found = self._both(node, indent)
            case _:
                found = self._whole(node.new if node.old is None else node.old, indent, SAME)
        last = found[-1]
        found[-1] = Line(last.indent, last.sign, f"{last.text}{_null(node, style)}{_forces(node)}")
        return found

    def _both(self, node: Node, indent: int) -> list[Line]:
        """Return a value and the one that takes its place, joined by an arrow."""
        if isinstance(node.old, str | Hidden) and isinstance(node.new, str | Hidden):
            old, new = windows.around(text(node.old), text(node.new), self._limits.characters)
            return [Line(indent, UPDATE, f"{old} -> {new}{_hidden_note(node)}")]
        old_lines = self._whole(node.old, indent, DELETE)
        new_lines = self._whole(node.new, indent, CREATE)
        joint = Line(old_lines[-1].indent, old_lines[-1].sign, f"{old_lines[-1].text} -> {new_lines[0].text}")
        return [*old_lines[:-1], joint, *new_lines[1:]]

    def _whole(self, value: Any, indent: int, sign: str) -> list[Line]:
        """Return one value by itself; what is in it has the sign before it."""
        match value:
            case str() if "\n" not in value and document(value) is None:
                return [Line(indent, sign, str(windows.start(value, self._limits.characters)))]
            case dict() | list() | str() | Hidden():
                old = MISSING if sign == CREATE else value
                new = MISSING if sign == DELETE else value
                node = Comparing(self._budget).node(old, new, exact=True)
                if node.form is Form.LEAF:
                    return [Line(indent, sign, str(windows.start(text(value), self._limits.characters)))]
                return self._body(node, indent, _Style(quiet=True, full=True))
            case _:
                return [Line(indent, sign, scalar(value))]


def scalar(value: Any) -> str:
    """Return a value in which there is no other."""
    match value:
        case None | Missing():
            return "null"
        case True:
            return "true"
        case False:
            return "false"
        case UnknownValue():
            return UNKNOWN_TEXT
        case Secret():
            return SENSITIVE_TEXT
        case TooDeep():
            return f"(nested {value.levels:,} levels deeper than is shown)"
        case _:
            return escaping.visible(str(value))


def _null(node: Node, style: _Style) -> str:
    return " -> null" if node.sign == DELETE and not style.quiet else ""


def _forces(node: Node) -> str:
    return " # forces replacement" if node.forces else ""


def _hidden_note(node: Node) -> str:
    """Say that texts differ in what is not shown of them."""
    differs = node.sign == UPDATE and text(node.old) == text(node.new)
    return " # the secrets in it differ" if differs else ""


def _warnings(node: Node, indent: int) -> Iterable[Line]:
    """Return what Terraform says where a value becomes sensitive, or is not sensitive any more."""
    before, after = isinstance(node.old, Secret), isinstance(node.new, Secret)
    if before == after or node.sign != UPDATE:
        return
    words = "will no longer be marked as sensitive"
    rest = "after applying this change."
    if after:
        words = "will be marked as sensitive and will not"
        rest = "display in UI output after applying this change."
    if unmarked(node.old) == unmarked(node.new):
        rest += " The value is unchanged."
    yield Line(indent - 2, "", f"# Warning: this attribute value {words}")
    yield Line(indent - 2, "", f"# {rest}")
