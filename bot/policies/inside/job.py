"""The job of the supervisor, and the facts about a set's modules. Both evaluators use them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

MOST_MESSAGES = 10_000
"""How many messages of one policy are kept."""

LONGEST_MESSAGE = 2000
"""How many characters of a message are kept."""

# Conftest's own pattern: a rule may have a name behind its kind.
_CONFTEST = re.compile(r"(deny|violation|warn)(?:_([a-zA-Z0-9_]*[a-zA-Z0-9]))?")
RULE = re.compile(r"data(?:\.[A-Za-z_]\w*)+")
"""A query that is the name of a rule."""


@dataclass(frozen=True)
class Query:
    """One policy to evaluate. If `unless` gives a value, the policy has an exception and passes.

    By Conftest's convention (`conventional`), an undefined rule passes.
    """

    name: str
    text: str
    unless: str = ""
    file: str = ""
    conventional: bool = False


@dataclass(frozen=True)
class SetJob:
    """One set. Without `queries`, they are found by Conftest's convention in the packages `namespaces`.

    With `tests` they are the rules named `test_...`.
    """

    modules: Mapping[str, str]
    data: Mapping[str, str]
    bare: bool
    evaluator: str
    seconds: int
    memory: int
    queries: Sequence[Query] | None = None
    namespaces: Sequence[str] = ()
    tests: bool = False
    facts: SetFacts | None = None

    @staticmethod
    def read(raw: Mapping[str, Any]) -> SetJob:
        """Read a job from its JSON."""
        fields = dict(raw)
        if fields.get("queries") is not None:
            fields["queries"] = [Query(**query) for query in fields["queries"]]
        if fields.get("facts") is not None:
            fields["facts"] = SetFacts.read(fields["facts"])
        return SetJob(**fields)


@dataclass(frozen=True)
class ModuleFacts:
    """Facts from a module's syntax tree: its package, rules by line, and the paths that it uses.

    `wrong` says why its rules can't be evaluated. `arithmetic` is the first line that calculates, 0 for none.
    """

    package: str = ""
    rules: Mapping[str, int] = field(default_factory=dict)
    uses: Sequence[str] = ()
    wrong: str = ""
    arithmetic: int = 0


@dataclass(frozen=True)
class SetFacts:
    """Facts about a set's modules. `wrong` says why nothing of the set can be evaluated."""

    modules: Mapping[str, ModuleFacts] = field(default_factory=dict)
    wrong: str = ""

    @staticmethod
    def read(raw: Mapping[str, Any]) -> SetFacts:
        """Read facts from their JSON."""
        return SetFacts({path: ModuleFacts(**one) for path, one in raw["modules"].items()}, raw["wrong"])

    def written(self) -> dict[str, Any]:
        """Return the facts as JSON."""
        return asdict(self)

    def wrong_packages(self) -> dict[str, str]:
        """Return why packages can't be evaluated: their own faults, and those of packages that they use."""
        wrong: dict[str, str] = {}
        uses: dict[str, set[str]] = {}
        for module in self.modules.values():
            uses.setdefault(module.package, set()).update(module.uses)
            if module.wrong:
                wrong.setdefault(module.package, module.wrong)
        fresh = list(wrong)
        left = [name for name in uses if name not in wrong]
        while fresh:
            found = {name: through for name in left if (through := first_used(uses[name], fresh))}
            wrong.update({name: wrong[through] for name, through in found.items()})
            left = [name for name in left if name not in found]
            fresh = list(found)
        return wrong

    def sound_modules(self) -> list[str]:
        """Return the modules that can be evaluated."""
        wrong = self.wrong_packages()
        return [path for path, module in self.modules.items() if module.package not in wrong]

    def file_of(self, query: str) -> str:
        """Return the module that has a query's rule, else one of its package; empty if there is none."""
        package, _, rule = query.removeprefix("data.").rpartition(".")
        of_package = [path for path, module in self.modules.items() if module.package == package]
        with_rule = [path for path in of_package if rule in self.modules[path].rules]
        if with_rule or of_package:
            return (with_rule or of_package)[0]
        used = ((p, m) for p, m in self.modules.items() if first_used(paths_in(query), [m.package]))
        return next((path for path, _ in used), "")


def paths_in(query: str) -> list[str]:
    """Return the paths of `data` that a query names."""
    return re.findall(r"data(?:\.\w+)+", query)


def first_used(paths: Iterable[str], packages: Iterable[str]) -> str:
    """Return the first of the packages that one of the paths reads, in part or whole; empty for none."""
    named: set[str] = set()
    whole: set[str] = set()
    for path in paths:
        parts = path.split(".")[1:50]
        named.update(".".join(parts[:end]) for end in range(1, len(parts) + 1))
        whole.add(".".join(parts))
    for package in packages:
        if package in named or any(not w or package.startswith(f"{w}.") for w in whole):
            return package
    return ""


def by_convention(facts: SetFacts, namespaces: Sequence[str]) -> list[Query]:
    """Return Conftest's policies, `deny`, `violation` and `warn` of the packages, with their exceptions."""
    found: dict[str, Query] = {}
    with_exceptions = {m.package for m in facts.modules.values() if "exception" in m.rules}
    for path, module in facts.modules.items():
        package = module.package
        if package not in namespaces and "*" not in namespaces:
            continue
        for rule in module.rules:
            kind = _CONFTEST.fullmatch(rule)
            if kind is None:
                continue
            name = rule if package == "main" else f"{package}.{rule}"
            excepted = kind[2] or ""
            unless = f'data.{package}.exception[_][_] == "{excepted}"' if package in with_exceptions else ""
            found.setdefault(name, Query(name, f"data.{package}.{rule}", unless, path, conventional=True))
    return list(found.values())
