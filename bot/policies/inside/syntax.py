"""Reads the bundled evaluator's syntax tree: names, lines, constant texts, known types.

A node is a mapping of one key, its kind, to its parts, as `Engine.get_ast_as_json` writes it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from .builtins import ALLOWED, ANY

Node = Mapping[str, Any]
Types = Mapping[str, frozenset[str]]
KINDS = frozenset(
    [
        "Var",
        "String",
        "RawString",
        "Number",
        "Bool",
        "Null",
        "Array",
        "Set",
        "Object",
        "ArrayCompr",
        "SetCompr",
        "ObjectCompr",
        "Call",
        "UnaryExpr",
        "RefDot",
        "RefBrack",
        "BinExpr",
        "BoolExpr",
        "ArithExpr",
        "AssignExpr",
        "Membership",
        "SomeVars",
        "SomeIn",
        "Expr",
        "NotExpr",
        "Every",
        "Compr",
        "Func",
        "Spec",
        "Default",
        "True",
        "False",
        "Bool",
    ]
)
_LITERALS = {
    "String": "string",
    "RawString": "string",
    "Number": "number",
    "Bool": "boolean",
    "True": "boolean",
    "False": "boolean",
    "Null": "null",
    "Array": "array",
    "ArrayCompr": "array",
    "Set": "set",
    "SetCompr": "set",
    "Object": "object",
    "ObjectCompr": "object",
    "BoolExpr": "boolean",
    "Membership": "boolean",
}


def kind_of(node: Any) -> str:
    """Return a node's kind, empty if it is not a node."""
    if isinstance(node, dict) and len(node) == 1:
        key = next(iter(node))
        return key if key in KINDS else ""
    return ""


def walk(node: Any) -> Iterator[tuple[str, Node]]:
    """Yield every node below with its kind, parents first."""
    if isinstance(node, dict):
        if kind := kind_of(node):
            yield kind, node[kind]
        for value in node.values():
            yield from walk(value)
    elif isinstance(node, list):
        for value in node:
            yield from walk(value)


def references(node: Any) -> Iterator[Node]:
    """Yield every reference below, each as a whole: its parts are not yielded again."""
    if isinstance(node, list):
        for value in node:
            yield from references(value)
    elif isinstance(node, dict):
        if kind_of(node) in ("Var", "RefDot", "RefBrack"):
            yield node
            inner = node
            while (kind := kind_of(inner)) in ("RefDot", "RefBrack"):
                if kind == "RefBrack":
                    yield from references(inner[kind]["index"])
                inner = inner[kind]["refr"]
            if kind_of(inner) != "Var":
                yield from references(inner)
            return
        for value in node.values():
            yield from references(value)


def line_of(node: Any) -> int:
    """Return the line where a node begins; 0 if none is known."""
    if isinstance(node, dict):
        if isinstance(line := node.get("line"), int):
            return line
        for value in node.values():
            if line := line_of(value):
                return line
    elif isinstance(node, list):
        for value in node:
            if line := line_of(value):
                return line
    return 0


def path_of(node: Node) -> list[str | None]:
    """Return a reference's path, its variable first; None for each part that is not a constant."""
    kind = kind_of(node)
    if kind == "Var":
        return [var_of(node["Var"])]
    if kind == "RefDot":
        return [*path_of(node["RefDot"]["refr"]), field_of(node["RefDot"]["field"])]
    if kind == "RefBrack":
        index = node["RefBrack"]["index"]
        return [*path_of(node["RefBrack"]["refr"]), text_of(index)]
    return [None]


def var_of(part: Any) -> str:
    """Return a variable's name."""
    value = part.get("value") if isinstance(part, dict) else None
    return value if isinstance(value, str) else field_of(part)


def field_of(part: Any) -> str:
    """Return a name that the tree has with its place: `[place, name]`."""
    if isinstance(part, list):
        return next((item for item in part if isinstance(item, str)), "")
    return str(part.get("text", "")) if isinstance(part, dict) else str(part)


def text_of(node: Any) -> str | None:
    """Return a constant text, None for anything else."""
    kind = kind_of(node)
    value = node[kind].get("value") if kind in ("String", "RawString") else None
    return value if isinstance(value, str) else None


def written(node: Any) -> object:
    """Return a constant: a text, a list of texts or null; `...` for anything else."""
    kind = kind_of(node)
    if kind == "Null":
        return None
    if kind == "Array":
        items = [text_of(item) for item in node["Array"]["items"]]
        return items if all(item is not None for item in items) else ...
    text = text_of(node)
    return ... if text is None else text


def types_of(node: Any, variables: Types, rules: Types = {}) -> frozenset[str]:  # noqa: B006 -- only read
    """Return which types a value may have, by those of the rule's variables and of the package's rules."""
    kind = kind_of(node)
    if kind in _LITERALS:
        return frozenset({_LITERALS[kind]})
    if kind == "Var":
        name = var_of(node["Var"])
        return variables.get(name) or rules.get(name, ANY)
    if kind == "UnaryExpr":
        return frozenset({"number"})
    if kind == "ArithExpr":
        return frozenset({"number", "set"}) if _op(node["ArithExpr"]) == "Sub" else frozenset({"number"})
    if kind == "BinExpr":
        return frozenset({"set"})
    if kind == "Call":
        name = ".".join(part or "?" for part in path_of(node["Call"]["fcn"]))
        if name in rules:
            return rules[name]
        known = ALLOWED.get(name)
        return known.result if known and len(node["Call"]["params"]) == len(known.arguments) else ANY
    return ANY


def _op(node: Node) -> str:
    return str(node.get("op"))
