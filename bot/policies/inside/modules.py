"""The parts of a module in the bundled evaluator's syntax tree: package, imports, rules, variables."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from .builtins import ANY
from .syntax import Node, Types, kind_of, line_of, path_of, references, types_of, var_of, walk

BUNDLED = "the bundled evaluator"
ROOTS = frozenset({"input", "data"})
_KEYWORDS = frozenset({"rego.v1", *(f"future.keywords.{word}" for word in ("in", "if", "contains", "every"))})
_ARGUMENTS = frozenset({"Var", "String", "RawString", "Number", "Bool", "Null"})
_IMPORTS = ("input", "data", "rego", "future")


@dataclass
class Rule:
    """One rule, or one of several with the same name. OPA requires the same `form` for all of a name."""

    name: str
    form: str
    node: Node
    line: int


@dataclass
class Module:
    """A module's tree with the names in it. `source` is its text, for names that the tree has by place."""

    path: str
    source: bytes
    package: str
    rules: list[Rule] = field(default_factory=list)
    imports: dict[str, list[str]] = field(default_factory=dict)
    wrong: str = ""

    def refuse(self, line: int, why: str) -> None:
        """Record an error, only the first one."""
        self.wrong = self.wrong or (f"{self.path}, line {line}: {why}" if line else f"{self.path}: {why}")

    def name_at(self, place: Any) -> str:
        """Return the name at a place in the source."""
        if not isinstance(place, dict) or "start" not in place:
            return var_of(place) if isinstance(place, dict) else ""
        return self.source[place["start"] : place["end"]].decode(errors="replace")


def read_module(path: str, text: str, tree: Mapping[str, Any]) -> Module:
    """Read a module's tree. Parts that are not known are recorded as errors."""
    package = path_of(tree["package"]["refr"])
    module = Module(path, text.encode(), ".".join(part or "?" for part in package))
    if None in package or not all(part and part.isidentifier() for part in package):
        module.refuse(1, f"{BUNDLED} knows only packages of plain names")
    for entry in tree["imports"]:
        whole = [part or "?" for part in path_of(entry["refr"])]
        if whole[0] not in _IMPORTS:
            module.refuse(line_of(entry), f"{'.'.join(whole)} can't be imported")
        if whole[0] in ("rego", "future") and ".".join(whole) not in _KEYWORDS:
            # `future.keywords` and `rego.v2` give negations another meaning.
            module.refuse(line_of(entry), f"{BUNDLED} does not know the import {'.'.join(whole)}")
        if whole[0] in ROOTS:
            name = module.name_at(entry["as"]) if entry.get("as") else whole[-1]
            module.imports[name] = whole
    for entry in tree["rules"]:
        if rule := _rule(module, entry):
            module.rules.append(rule)
    return module


def _rule(module: Module, entry: Node) -> Rule | None:
    kind = kind_of(entry)
    line = line_of(entry)
    if kind == "Default":
        name = path_of(entry["Default"]["refr"])
        arguments = entry["Default"].get("args") or []
        form = f"function {len(arguments)}" if arguments else "complete"
    elif kind == "Spec":
        head = entry["Spec"]["head"]
        shape = kind_of(head)
        body = head.get(shape, {})
        refr = body.get("refr", {})
        odd = [kind_of(one) for one in body.get("args") or [] if kind_of(one) not in _ARGUMENTS]
        if odd:
            module.refuse(
                line, f"{BUNDLED} knows only variables and simple values as arguments of a function"
            )
        form = {"Set": "set", "Compr": "complete", "Func": f"function {len(body.get('args') or [])}"}.get(
            shape, ""
        )
        if shape == "Compr" and kind_of(refr) == "RefBrack":
            form, refr = "object", refr["RefBrack"]["refr"]
        name = path_of(refr) if refr else [None]
    else:
        name, form = [None], ""
    if len(name) != 1 or not name[0] or not form:
        module.refuse(line, f"{BUNDLED} knows only rules named by one word, with one `[key]` at the end")
        return None
    return Rule(name[0], form, entry, line)


def used(module: Module, rule: Rule, own: set[str]) -> Iterator[list[str]]:
    """Yield the paths that a rule reads, with full names: `data.package.rule`, `input.x`."""
    local = declared(module, rule.node)
    for reference in references(_without_name(rule.node)):
        known: list[str] = []
        for part in path_of(reference):
            if part is None:
                break
            known.append(part)
        if not known or known[0] in local:
            continue
        if known[0] in module.imports:
            known = [*module.imports[known[0]], *known[1:]]
        elif known[0] in own:
            known = ["data", *module.package.split("."), *known]
        yield known


def _without_name(entry: Node) -> Any:
    """Return a rule without its own name, which it does not read."""
    if "Default" in entry:
        return {key: value for key, value in entry["Default"].items() if key != "refr"}
    spec = entry["Spec"]
    shape = kind_of(spec["head"])
    head = {key: value for key, value in spec["head"][shape].items() if key != "refr"}
    refr = spec["head"][shape]["refr"]
    index = refr["RefBrack"]["index"] if kind_of(refr) == "RefBrack" else None
    return [head, index, spec["bodies"]]


def declared(module: Module, node: Any) -> set[str]:
    """Return the variables that a rule declares: they hide rules of the same name."""
    found: set[str] = set()
    if isinstance(node, dict) and "Spec" in node:
        found.update(vars_in(node["Spec"]["head"].get("Func", {}).get("args") or []))
    for kind, part in walk(node):
        match kind:
            case "AssignExpr" if part.get("op") == "ColEq":
                found.update(vars_in([part["lhs"]]))
            case "SomeVars":
                found.update(module.name_at(place) for place in part["vars"])
            case "SomeIn":
                found.update(vars_in([part.get("key"), part.get("value")]))
            case "Every":
                found.update(module.name_at(place) for place in (part.get("key"), part.get("value")) if place)
            case _:
                pass
    return found


def vars_in(nodes: Iterable[Any]) -> Iterator[str]:
    """Yield the variables of patterns: single ones, and those in arrays, objects and sets."""
    for node in nodes:
        kind = kind_of(node)
        if kind == "Var":
            yield var_of(node["Var"])
        elif kind in ("Array", "Set"):
            yield from vars_in(node[kind]["items"])
        elif kind == "Object":
            yield from vars_in(part for entry in node["Object"]["fields"] for part in entry)


def types_of_rules(modules: Sequence[Module], package: str) -> Types:
    """Return which types the values of a package's rules may have, by the constants in their heads."""
    found: dict[str, frozenset[str]] = {}
    for rule in (rule for module in modules if module.package == package for rule in module.rules):
        found[rule.name] = found.get(rule.name, frozenset()) | _types_of_rule(rule)
    return found


def _types_of_rule(rule: Rule) -> frozenset[str]:
    if rule.form in ("set", "object"):
        return frozenset({rule.form})
    if "Default" in rule.node:
        return types_of(rule.node["Default"]["value"], {})
    head = rule.node["Spec"]["head"]
    given = [head[kind_of(head)].get("assign")]
    given += [body.get("assign") for body in rule.node["Spec"]["bodies"] if body["is_else"]]
    found: frozenset[str] = frozenset()
    for each in given:
        value = each["value"] if each else None
        # A variable's type is known only in the body.
        known = value is not None and kind_of(value) != "Var"
        found |= types_of(value, {}) if known else ANY if value is not None else frozenset({"boolean"})
    return found
