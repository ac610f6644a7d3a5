"""Rewrites rules as OPA's compiler does, if the bundled evaluator would evaluate them differently.

- Values that a head computes are computed in the body. If a head has no value for one element
  (`deny contains r.name if some r in ...`), OPA goes on with the next one. The bundled evaluator ends the
  rule, and loses the messages that it had found.
- Operands of a negation are computed before it: `not startswith(r.name, "a")` does not hold if there is
  no `r.name`.
  In a negation, only a reference that is compared by `==`, or is the whole expression, may be undefined.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from .syntax import Node, kind_of, walk

_HEAD, _NEGATED = "plangate_head", "plangate_not"
_PARTIAL = frozenset(
    {"RefDot", "RefBrack", "Call", "ArithExpr", "BinExpr", "UnaryExpr", "BoolExpr", "Membership"}
)
_TEXTS = frozenset({"String", "RawString"})
_BRACKETS = {
    "Object": b"{",
    "Set": b"{",
    "ObjectCompr": b"{",
    "SetCompr": b"{",
    "Array": b"[",
    "ArrayCompr": b"[",
}
_ROUNDS = 20
Edit = tuple[int, int, bytes]
Tree = Mapping[str, Any]


class NotRewritten(ValueError):
    """A rule could not be rewritten."""


def rewritten(text: str, parse: Callable[[str], Tree]) -> str:
    """Return a module's text in that form, line by line. Raises NotRewritten, and what `parse` does."""
    for number in range(_ROUNDS):
        tree = parse(text)
        source = text.encode()
        edits, added = _negations(source, tree, number)
        if not edits:
            break
        text = _edited(source, edits)
        _check(tree, parse(text), added)
    else:
        raise NotRewritten("negations are nested too deeply")
    edits, added = _heads(source, tree)
    if edits:
        text = _edited(source, edits)
        _check(tree, parse(text), added)
    return text


def _check(before: Tree, after: Tree, added: int) -> None:
    """Check the number of new statements: an edit at a wrong place must not change a rule."""
    if _statements(after) != _statements(before) + added:
        raise NotRewritten("a rule could not be put into the form that the bundled evaluator needs")


def _statements(tree: Tree) -> int:
    return sum(len(query["stmts"]) for query in _queries(tree["rules"]))


def _queries(node: Any) -> Iterator[Node]:
    if isinstance(node, list):
        for value in node:
            yield from _queries(value)
    elif isinstance(node, dict):
        if isinstance(node.get("stmts"), list):
            yield node
        for value in node.values():
            yield from _queries(value)


def _edited(source: bytes, edits: Sequence[Edit]) -> str:
    out, at = [], 0
    for begin, end, new in sorted(edits):
        if begin < at:
            raise NotRewritten("a rule is too much interlaced for the bundled evaluator")
        out += [source[at:begin], new]
        at = end
    return b"".join([*out, source[at:]]).decode()


def _span(source: bytes, node: Any) -> tuple[int, int]:
    """Return where a node's text begins and ends. The tree has no quotes of texts, and not all brackets."""
    kind = kind_of(node)
    place = (node[kind] if kind else node)["span"]
    begin, end = place["start"], place["end"]
    for inner, part in walk(node):
        if inner in _TEXTS:
            begin = min(begin, part["span"]["start"] - 1)
            end = max(end, part["span"]["end"] + 1) if part["span"]["end"] == place["end"] else end
    opening = _BRACKETS.get(kind)
    if opening and source[begin : begin + 1] != opening:
        before = source[:begin].rstrip()
        begin = len(before) - 1 if before.endswith(opening) else begin
    return begin, end


def _may_be_undefined(node: Node) -> bool:
    return any(kind in _PARTIAL for kind, _ in walk(node))


def _without_lines(text: bytes, name: str) -> bytes:
    """Return a name that replaces a text. Line breaks stay, so that errors name the right lines."""
    return name.encode() + b"\n" * text.count(b"\n")


# --- negations ----------------------------------------------------------------------------------------------


def _negations(source: bytes, tree: Tree, number: int) -> tuple[list[Edit], int]:
    """Return the edits for the innermost negations, and how many statements they add."""
    bodies = [
        body["query"] for rule in tree["rules"] for body in (rule.get("Spec") or {}).get("bodies") or []
    ]
    bare = {
        id(query)
        for query in bodies
        if query["stmts"] and query["span"]["start"] == query["stmts"][0]["span"]["start"]
    }
    edits: list[Edit] = []
    added = 0
    for query in _queries(tree["rules"]):
        for statement in query["stmts"]:
            negated = statement["literal"].get("NotExpr")
            if negated is None or _computes_inside(negated):
                continue
            before = []
            mods = b"".join(b" " + _text(source, mod) for mod in statement.get("with_mods") or [])
            for operand in _computed(negated["expr"]):
                name = f"{_NEGATED}_{number}_{added}"
                begin, end = _span(source, operand)
                before.append(f"{name} := ".encode() + source[begin:end] + mods + b"; ")
                edits.append((begin, end, _without_lines(source[begin:end], name)))
                added += 1
            if before:
                begin, end = _statement_span(statement)
                opening, closing = (b"{ ", b" }") if id(query) in bare else (b"", b"")
                edits += [(begin, begin, opening + b"".join(before))]
                edits += [(end, end, closing)] if closing else []
    return edits, added


def _computes_inside(negated: Node) -> bool:
    """Whether it contains a negation that must be rewritten first."""
    return any(kind == "NotExpr" and _computed(inner["expr"]) for kind, inner in walk(negated["expr"]))


def _computed(node: Node) -> list[Node]:
    """Return the operands of a negated expression that OPA computes before it."""
    kind = kind_of(node)
    part = node[kind]
    match kind:
        case "Var" | "RefDot" | "RefBrack" | "Bool" | "Number" | "String" | "RawString" | "Null":
            return []
        case "Call":
            operands = part["params"]
        case "BoolExpr" | "ArithExpr" | "BinExpr" | "AssignExpr":
            operands = [part["lhs"], part["rhs"]]
        case "Membership":
            operands = [each for each in (part.get("key"), part["value"], part["collection"]) if each]
        case _:
            return []
    equal = kind == "AssignExpr" or (kind == "BoolExpr" and part.get("op") == "Eq")
    return [each for each in operands if _may_be_undefined(each) and not (equal and _is_reference(each))]


def _is_reference(node: Node) -> bool:
    return kind_of(node) in ("Var", "RefDot", "RefBrack")


def _text(source: bytes, part: Node) -> bytes:
    begin, end = _span(source, part)
    return source[begin:end]


def _statement_span(statement: Node) -> tuple[int, int]:
    begin, end = statement["span"]["start"], statement["span"]["end"]
    for kind, part in walk(statement):
        if kind in _TEXTS:
            begin = min(begin, part["span"]["start"] - 1)
            end = end + 1 if part["span"]["end"] == statement["span"]["end"] else end
    return begin, end


# --- heads --------------------------------------------------------------------------------------------------


def _heads(source: bytes, tree: Tree) -> tuple[list[Edit], int]:
    edits: list[Edit] = []
    added = 0
    for entry in tree["rules"]:
        if "Spec" in entry:
            more, count = _of_rule(source, entry["Spec"])
            edits += more
            added += count
    return edits, added


def _of_rule(source: bytes, spec: Node) -> tuple[list[Edit], int]:
    shape = kind_of(spec["head"])
    head = spec["head"][shape]
    found = [part for part in _expressions(shape, head) if _may_be_undefined(part)]
    edits = [*_replaced(source, found)]
    added = 0
    if found and not spec["bodies"]:
        end = max(head["span"]["end"], *(_span(source, part)[1] for part in found))
        edits.append((end, end, b" if { " + _assignments(source, found) + b" }"))
        added += len(found)
    for body in spec["bodies"]:
        own = found
        if body["is_else"]:
            value = (body.get("assign") or {}).get("value")
            own = [value] if value is not None and _may_be_undefined(value) else []
            edits += _replaced(source, own)
        if own and not body["query"]["stmts"]:
            end = _span(source, own[-1])[1]
            edits.append((end, end, b" if { " + _assignments(source, own) + b" }"))
        elif own:
            edits += _appended(body["query"], _assignments(source, own))
        added += len(own)
    return edits, added


def _expressions(shape: str, head: Node) -> Iterator[Node]:
    """Yield the expressions of a head: its key and its value."""
    if shape == "Set":
        yield head["key"]
    elif kind_of(head["refr"]) == "RefBrack":
        yield head["refr"]["RefBrack"]["index"]
    if head.get("assign"):
        yield head["assign"]["value"]


def _replaced(source: bytes, nodes: Sequence[Node]) -> Iterator[Edit]:
    for index, node in enumerate(nodes):
        begin, end = _span(source, node)
        yield begin, end, _without_lines(source[begin:end], f"{_HEAD}_{index}")


def _assignments(source: bytes, nodes: Sequence[Node]) -> bytes:
    texts = []
    for index, node in enumerate(nodes):
        begin, end = _span(source, node)
        texts.append(f"{_HEAD}_{index} := ".encode() + source[begin:end])
    return b"; ".join(texts)


def _appended(query: Node, assignments: bytes) -> Iterator[Edit]:
    end = _statement_span(query["stmts"][-1])[1]
    if query["span"]["start"] != query["stmts"][0]["span"]["start"]:
        yield end, end, b"; " + assignments
    else:
        begin = _statement_span(query["stmts"][0])[0]
        yield begin, begin, b"{ "
        yield end, end, b"; " + assignments + b" }"
