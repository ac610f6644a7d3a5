"""Finds constructs in the syntax trees of a set that the bundled evaluator would answer differently from OPA.

These are constructs that OPA's compiler refuses and the evaluator runs (unknown functions, unsafe variables,
recursion, rules of two kinds, types that never fit), and those that are known to give another value.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from .builtins import ALLOWED, wrong_call
from .functions import FUNCTIONS
from .job import ModuleFacts, SetFacts
from .modules import BUNDLED, ROOTS, Module, Rule, declared, read_module, types_of_rules, used, vars_in
from .recursion import recursive
from .syntax import Node, Types, kind_of, line_of, path_of, types_of, var_of, walk, written

_PATTERN = f"{BUNDLED} does not match objects by a pattern: compare their fields"
_COLLECTIONS = frozenset({"array", "object", "set"})
_NEGATABLE = frozenset(
    {
        "Var",
        "RefDot",
        "RefBrack",
        "Call",
        "BoolExpr",
        "Membership",
        "AssignExpr",
        "Bool",
        "Number",
        "String",
        "Null",
    }
)
_EXACT, _MOST = 1 << 53, 1 << 62


def facts_of(trees: Mapping[str, tuple[str, Mapping[str, Any]]]) -> SetFacts:
    """Return the facts about a set. `trees` has each module's text and syntax tree, by its path."""
    modules = [read_module(path, text, tree) for path, (text, tree) in trees.items()]
    functions: dict[str, set[int]] = {}
    forms: dict[tuple[str, str], str] = {}
    packages = {module.package for module in modules}
    for module in modules:
        for rule in module.rules:
            whole = f"{module.package}.{rule.name}"
            if any(package == whole or package.startswith(f"{whole}.") for package in packages):
                module.refuse(rule.line, f"{rule.name} is a rule, and a package too")
            if forms.setdefault((module.package, rule.name), rule.form) != rule.form:
                module.refuse(rule.line, f"{rule.name} has rules of different kinds")
            if rule.form.startswith("function"):
                functions.setdefault(whole, set()).add(int(rule.form.rpartition(" ")[2]))
    own: dict[str, set[str]] = {}
    for module in modules:
        own.setdefault(module.package, set()).update(rule.name for rule in module.rules)
    types = {package: types_of_rules(modules, package) for package in packages}
    for module in modules:
        for rule in module.rules:
            _Check(module, rule, own[module.package], functions, types[module.package]).all()
    for module, rule_name in recursive(modules, own):
        module.refuse(0, f"rule {rule_name} is recursive")
    return SetFacts({module.path: _facts(module, own[module.package]) for module in modules})


def _facts(module: Module, own: set[str]) -> ModuleFacts:
    rules: dict[str, int] = {}
    uses: dict[str, None] = {}
    arithmetic = 0
    for rule in module.rules:
        rules.setdefault(rule.name, rule.line)
        uses.update(dict.fromkeys(".".join(path) for path in used(module, rule, own) if path[0] == "data"))
        for kind, node in walk(rule.node):
            if kind == "ArithExpr":
                arithmetic = arithmetic or line_of(node) or 1
    return ModuleFacts(module.package, rules, tuple(uses), module.wrong, arithmetic)


# --- what is wrong in a rule --------------------------------------------------------------------------------


class _Check:
    """Checks one rule."""

    def __init__(
        self, module: Module, rule: Rule, own: set[str], functions: Mapping[str, set[int]], rules: Types
    ) -> None:
        self._module = module
        self._rule = rule
        self._own = own
        self._functions = functions
        self._rules = {
            name: kinds for name, kinds in rules.items() if name not in declared(module, rule.node)
        }
        self._bound, self._assigned = self._variables()
        self._types = self._known_types()
        self._calculates = any(kind == "ArithExpr" for kind, _ in walk(rule.node))
        self._divided = {name for name, values in self._assigned.items() if any(map(_divides, values))}

    def all(self) -> None:
        """Record in the module what is wrong with the rule."""
        if not isinstance(self._rule.node, dict):
            return
        self._shapes(self._rule.node)
        for kind, node in walk(self._rule.node):
            wrong = self._wrong(kind, node)
            if wrong:
                self._module.refuse(line_of(node) or self._rule.line, wrong)
        self._unsafe()
        self._unused()

    def _wrong(self, kind: str, node: Node) -> str:
        match kind:
            case "Call":
                return self._wrong_call(node)
            case "Membership" if node.get("key") is not None:
                return f"{BUNDLED} does not know `key, value in ...` as a condition"
            case "NotExpr":
                return _wrong_negation(node)
            case "Number":
                value = node.get("value")
                most = _EXACT if self._calculates or not isinstance(value, int) else _MOST
                if not isinstance(value, int | float) or abs(value) > most:
                    return f"{BUNDLED} does not keep numbers above 2^53"
            case "ArithExpr":
                return self._wrong_arithmetic(node)
            case "AssignExpr":
                return self._wrong_assignment(node)
            case "SomeIn" if _has_object([node.get("key"), node.get("value")]):
                return _PATTERN
            case "SomeIn" if not self._may_be(node["collection"]) & _COLLECTIONS:
                return "what is iterated over can never be a collection"
            case "Every" if not self._may_be(node["domain"]) & _COLLECTIONS:
                return "what is iterated over can never be a collection"
            case "BoolExpr":
                return self._never_equal(node) if node.get("op") == "Eq" else self._unordered(node)
            case _:
                pass
        return ""

    def _wrong_assignment(self, node: Node) -> str:
        if kind_of(node["rhs"]) == "Call" and self._called(node["rhs"]["Call"]) == "walk":
            return f"{BUNDLED} knows walk only as `walk(value, [path, found])`"
        unifies = node.get("op") != "ColEq"
        if _has_object([node["lhs"], node["rhs"]] if unifies else [node["lhs"]]):
            return _PATTERN
        return self._never_equal(node) if unifies else ""

    def _shapes(self, node: Any) -> None:
        """Refuse parts of the tree that are not known here, and check each `with`."""
        if isinstance(node, dict):
            for target in node.get("with_mods") or []:
                path = [part or "?" for part in path_of(target["refr"])]
                name = ".".join(path)
                if path[0] not in ROOTS | self._own and (name in FUNCTIONS or name not in ALLOWED):
                    where = line_of(target) or self._rule.line
                    self._module.refuse(where, f"{BUNDLED} can't replace {name} by `with`")
            for value in node.values():
                self._shapes(value)
        elif isinstance(node, list):
            for value in node:
                self._shapes(value)

    # --- calls

    def _called(self, node: Node) -> str:
        path = [part or "?" for part in path_of(node["fcn"])]
        if path[0] in self._module.imports:
            path = [*self._module.imports[path[0]], *path[1:]]
        elif path[0] in self._own:
            path = ["data", self._module.package, *path]
        return ".".join(path)

    def _wrong_call(self, node: Node) -> str:
        name, given = self._called(node), node["params"]
        if name.startswith("data."):
            arities = self._functions.get(name.removeprefix("data."), set())
            if not arities:
                return f"undefined function {name}"
            fits = any(len(given) in (arity, arity + 1) for arity in arities)
            return "" if fits else f"{name} has another number of arguments"
        if name == "print":
            return ""
        known = ALLOWED.get(name)
        if known is None:
            return f"{BUNDLED} has no function {name}, or not as OPA has it"
        count = len(known.arguments)
        if len(given) != count and (known.own or name == "walk" or len(given) != count + 1):
            return f"{name} takes {count} argument{'s' if count != 1 else ''} here"
        for index, (argument, allowed) in enumerate(zip(given, known.arguments, strict=False), start=1):
            if not self._may_be(argument) & allowed:
                return f"{name}: argument {index} can never have the type that it must have"
        return wrong_call(name, [written(argument) for argument in given])

    # --- numbers and types

    def _wrong_arithmetic(self, node: Node) -> str:
        sides = (node["lhs"], node["rhs"])
        wanted = {"number", "set"} if node.get("op") == "Sub" else {"number"}
        if any(not self._may_be(side) & wanted for side in sides):
            return "the operands can never be numbers"
        for side in sides:
            kind = kind_of(side)
            if kind == "Number" and isinstance(side["Number"].get("value"), float):
                return f"{BUNDLED} does not calculate with decimals as OPA does"
            named = kind == "Var" and var_of(side["Var"]) in self._divided
            if _divides(side) or named or self._gives_quotient(side):
                return f"{BUNDLED} rounds otherwise when it goes on calculating with a quotient"
        return ""

    def _gives_quotient(self, node: Any) -> bool:
        """Whether a value comes from a rule of the package that divides."""
        part = node["Call"]["fcn"] if kind_of(node) == "Call" else node
        name = path_of(part)[0] if kind_of(part) in ("Var", "RefDot", "RefBrack") else None
        return any(rule.name == name and _divides(rule.node) for rule in self._module.rules)

    def _never_equal(self, node: Node) -> str:
        left, right = self._may_be(node["lhs"]), self._may_be(node["rhs"])
        return "" if left & right else f"{_words(left)} and {_words(right)} are never equal"

    def _unordered(self, node: Node) -> str:
        if node.get("op") in ("Eq", "Ne"):
            return ""
        mixed = frozenset({"set", "object"})
        sides = [self._may_be(side) for side in (node["lhs"], node["rhs"])]
        if any(side <= mixed for side in sides) and sides[0] != sides[1]:
            return f"{BUNDLED} puts sets and objects in another order"
        return ""

    def _may_be(self, node: Any) -> frozenset[str]:
        whole = ["data", *self._module.package.split("."), ""]
        path = path_of(node) if kind_of(node) == "RefDot" else []
        if path[:-1] == whole[:-1] and path[-1] in self._rules:
            return self._rules[path[-1] or ""]
        return types_of(node, self._types, self._rules)

    def _known_types(self) -> dict[str, frozenset[str]]:
        known: dict[str, frozenset[str]] = {}
        for name, values in self._assigned.items():
            if self._bound[name] == len(values):
                found: frozenset[str] = frozenset()
                for value in values:
                    found |= types_of(value, known, self._rules)
                known[name] = found
        return known

    # --- variables

    def _variables(self) -> tuple[Counter[str], dict[str, list[Any]]]:
        """Return how often each variable is given a value, and the value that `x := value` assigns."""
        bound: Counter[str] = Counter()
        assigned: dict[str, list[Any]] = {}
        entry = self._rule.node
        head = entry.get("Spec", {}).get("head", {}).get("Func", {}) if "Spec" in entry else {}
        arguments = entry["Default"].get("args") or [] if "Default" in entry else head.get("args") or []
        bound.update(vars_in(arguments))
        for kind, node, negated in _with_negation(entry):
            match kind:
                case "AssignExpr":
                    sides = [node["lhs"]] if node.get("op") == "ColEq" else [node["lhs"], node["rhs"]]
                    bound.update(vars_in(sides) if not negated else ())
                    if node.get("op") == "ColEq" and kind_of(node["lhs"]) == "Var":
                        assigned.setdefault(var_of(node["lhs"]["Var"]), []).append(node["rhs"])
                case "SomeIn":
                    bound.update(vars_in([node.get("key"), node.get("value")]))
                case "Every":
                    places = [node.get("key"), node.get("value")]
                    bound.update(self._module.name_at(place) for place in places if place)
                case "RefBrack" if not negated:
                    bound.update(vars_in([node["index"]]))
                case "Call" if not negated:
                    bound.update(vars_in(self._given_back(node)))
                case _:
                    pass
        return bound, assigned

    def _unused(self) -> None:
        """Refuse variables that are declared and not used, as OPA does."""
        read = Counter(name for name, _ in self._read(self._rule.node))
        for kind, node in walk(self._rule.node):
            if kind == "SomeVars":
                names = [self._module.name_at(place) for place in node["vars"]]
                unused = [name for name in names if not read[name]]
            elif kind == "Every":
                inside = {name for name, _ in self._read(node["query"])}
                places = [
                    self._module.name_at(place) for place in (node.get("key"), node.get("value")) if place
                ]
                unused = [name for name in places if name not in inside | {"_"}]
            else:
                continue
            if unused:
                self._module.refuse(line_of(node) or self._rule.line, f"declared var {unused[0]} unused")

    def _given_back(self, node: Node) -> Sequence[Any]:
        """Return the arguments of a call that it gives values to."""
        name = self._called(node)
        known = ALLOWED.get(name)
        if name == "walk":
            return list(node["params"][1:])
        count = len(known.arguments) if known else max(self._functions.get(name.removeprefix("data."), {99}))
        return list(node["params"][count:])

    def _unsafe(self) -> None:
        known = {*self._bound, *self._own, *self._module.imports, *ROOTS, "_"}
        for name, line in self._read(self._rule.node):
            if name not in known and not name.startswith("$"):
                self._module.refuse(
                    line or self._rule.line, f"var {name} is unsafe: nothing gives it a value"
                )

    def _read(self, node: Any) -> Iterator[tuple[str, int]]:
        """Yield the variables that are read; names of functions and targets of `with` are not variables."""
        if isinstance(node, list):
            for value in node:
                yield from self._read(value)
        elif isinstance(node, dict):
            if kind_of(node) == "Var":
                yield var_of(node["Var"]), line_of(node)
                return
            for key, value in node.items():
                if key == "with_mods":
                    yield from self._read([target["as"] for target in value or []])
                elif key != "fcn":
                    yield from self._read(value)


def _with_negation(node: Any, *, negated: bool = False) -> Iterator[tuple[str, Node, bool]]:
    """Yield every node, and whether it is negated: variables get no value there. Skips comprehensions."""
    if isinstance(node, list):
        for value in node:
            yield from _with_negation(value, negated=negated)
    elif isinstance(node, dict):
        kind = kind_of(node)
        if kind:
            yield kind, node[kind], negated
        inside = (negated or kind == "NotExpr") and not kind.endswith("Compr")
        for value in node.values():
            yield from _with_negation(value, negated=inside)


def _wrong_negation(node: Node) -> str:
    kind = kind_of(node["expr"])
    if kind not in _NEGATABLE:
        return f"{BUNDLED} does not know this kind of negation"
    for inner, part, negated in _with_negation(node["expr"], negated=True):
        if negated and inner == "RefBrack":
            if list(vars_in([part["index"]])) == ["_"]:
                return "var _ is unsafe in a negation"
            if kind_of(part["index"]) not in ("Var", "String", "RawString", "Number"):
                return f"{BUNDLED} does not know computed keys in a negation"
            if kind_of(part["refr"]) not in ("Var", "RefDot", "RefBrack"):
                return f"{BUNDLED} does not know a reference into such a value in a negation"
        if negated and inner == "RefDot" and kind_of(part["refr"]) not in ("Var", "RefDot", "RefBrack"):
            return f"{BUNDLED} does not know a reference into such a value in a negation"
        if negated and inner == "Call" and path_of(part["fcn"]) == ["print"]:
            return f"{BUNDLED} does not know print in a negation"
    return ""


def _has_object(nodes: Sequence[Any]) -> bool:
    """Whether a pattern has an object in it; those in comprehensions and calls are not patterns."""
    for node in nodes:
        kind = kind_of(node)
        if kind == "Object" or (kind == "Array" and _has_object(node["Array"]["items"])):
            return True
    return False


def _divides(node: Any) -> bool:
    return any(kind == "ArithExpr" and inner.get("op") == "Div" for kind, inner in walk(node))


def _words(types: frozenset[str]) -> str:
    return " or ".join(sorted(types))
