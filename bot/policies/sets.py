"""Reads a policy set: which policies are in it, its rules, its data, and what is wrong with any of them.

A set is a folder with `policies.hcl` (HashiCorp's format) or `policies.yml` (the same in YAML); without
either, Conftest's convention holds: the rules `deny`, `violation` and `warn` of package `main` are policies.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml

from bot.domain.errors import Invalid
from bot.domain.policy import Level
from bot.policies import rego_text
from bot.policies.hcl import read_blocks
from bot.services.ports.policies import Files

_INDEXES = ("policies.hcl", "policies.yml", "policies.yaml")
_DATA = (".json", ".yaml", ".yml")
_TEST = "_test.rego"
# Conftest's own pattern, https://www.conftest.dev: a rule may have a name behind its kind.
_CONFTEST = re.compile(r"(deny|violation|warn)(_[a-zA-Z0-9]+)*")
_LEVELS = {
    **{level.value: level for level in Level},
    # HashiCorp's word for OPA policies that may be overridden.
    "mandatory": Level.SOFT,
}
_KEYS = {"query", "enforcement_level", "description", "name", "source"}


@dataclass(frozen=True)
class Policy:
    """One policy of a set. `file` is where its rules are, `wrong` why it can't be evaluated."""

    name: str
    query: str
    level: Level
    description: str = ""
    file: str = ""
    wrong: str = ""


@dataclass(frozen=True)
class RuleSet:
    """A set that was read. `bare_input`: the plan itself is the input, as Conftest has it."""

    policies: tuple[Policy, ...]
    modules: Mapping[str, str]
    data: Mapping[str, str]
    bare_input: bool = False
    tests: Mapping[str, str] = field(default_factory=dict)


def read_set(files: Files, level: Level, known: Callable[[str], bool]) -> RuleSet:
    """Read a set. `level` is for policies found by convention; `known` says which built-ins there are.

    Raises Invalid where it can't be said which policies are in it.
    """
    texts = {path: _text(path, raw) for path, raw in sorted(files.items())}
    rego = {path: text for path, text in texts.items() if path.endswith(".rego")}
    modules = {path: text for path, text in rego.items() if not path.endswith(_TEST)}
    tests = {path: text for path, text in rego.items() if path.endswith(_TEST)}
    data = {path: text for path, text in texts.items() if path.endswith(_DATA) and path not in _INDEXES}
    for path, text in data.items():
        _no_aliases(path, text)
    index = next((name for name in _INDEXES if name in texts), "")
    found = _indexed(index, texts[index]) if index else _by_convention(modules, level)
    wrong = _wrong_packages(modules, known)
    policies = tuple(_checked(policy, modules, wrong) for policy in found)
    if not policies:
        raise Invalid(
            "there is no policy in the set: it needs a policies.hcl or policies.yml, "
            "or a rule deny, violation or warn in package main"
        )
    return RuleSet(policies, modules, data, bare_input=not index, tests=tests)


def _text(path: str, raw: bytes) -> str:
    try:
        return raw.decode()
    except UnicodeDecodeError as error:
        raise Invalid(f"{path} is not UTF-8 text") from error


def _no_aliases(path: str, text: str) -> None:
    """Refuse YAML that grows when it is read: a few lines of aliases become gigabytes."""
    if path.endswith(".json") or "*" not in text:
        return
    try:
        aliased = any(isinstance(event, yaml.AliasEvent) for event in yaml.parse(text))
    except yaml.YAMLError as error:
        raise Invalid(f"{path} is no valid YAML: {' '.join(str(error).split())[:200]}") from error
    if aliased:
        raise Invalid(f"{path} uses YAML aliases (`*name`), which are not read here: write the values out")


# --- which policies there are -------------------------------------------------------------------------------


def _indexed(path: str, text: str) -> list[Policy]:
    """Return the policies that a set's index names. Raises Invalid."""
    entries = _hcl_entries(path, text) if path.endswith(".hcl") else _yaml_entries(path, text)
    found: dict[str, Policy] = {}
    for where, entry in entries:
        policy = _policy(where, entry)
        if policy.name in found:
            raise Invalid(f"{where}: there are two policies named {policy.name}")
        found[policy.name] = policy
    return list(found.values())


def _hcl_entries(path: str, text: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    try:
        blocks = read_blocks(text)
    except Invalid as error:
        raise Invalid(f"{path}, {error}") from error
    for block in blocks:
        where = f"{path}, line {block.line}"
        if block.kind != "policy":
            raise Invalid(f"{where}: {block.kind!r} blocks are not known here; `policy` blocks are")
        yield where, {"name": block.label, **block.attributes}


def _yaml_entries(path: str, text: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    _no_aliases(path, text)
    try:
        document = yaml.safe_load(text)
    except RecursionError:
        raise Invalid(f"{path} is nested too deeply") from None
    except yaml.YAMLError as error:
        raise Invalid(f"{path} is no valid YAML: {' '.join(str(error).split())[:200]}") from error
    entries = document.get("policies") if isinstance(document, dict) else None
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise Invalid(f"{path} must be `policies:` and below it a list, each entry with `- name:`")
    for number, entry in enumerate(entries, start=1):
        yield f"{path}, policy {number}", entry


def _policy(where: str, entry: Mapping[str, Any]) -> Policy:
    name, query = entry.get("name"), entry.get("query")
    if not isinstance(name, str) or not re.fullmatch(r"[\w.-]{1,100}", name):
        raise Invalid(f"{where}: a policy's name is made of letters, digits, `-`, `_` and `.`")
    if not isinstance(query, str) or not query.strip():
        raise Invalid(f"{where}: {name} has no query, such as `data.terraform.{name.replace('-', '_')}.deny`")
    level = entry.get("enforcement_level", Level.ADVISORY.value)
    if level not in _LEVELS:
        raise Invalid(f"{where}: {level!r} is no enforcement level; there are {', '.join(_LEVELS)}")
    if extra := sorted(set(map(str, entry)) - _KEYS):
        raise Invalid(
            f"{where}: {extra[0]!r} is not known; a policy has a query, enforcement_level, description"
        )
    return Policy(name, query.strip(), _LEVELS[str(level)], str(entry.get("description") or ""))


def _by_convention(modules: Mapping[str, str], level: Level) -> list[Policy]:
    found: dict[str, Policy] = {}
    for path, source in modules.items():
        if rego_text.package(source) != "main":
            continue
        for rule in rego_text.rules(source):
            if _CONFTEST.fullmatch(rule):
                kind = Level.ADVISORY if rule.startswith("warn") else level
                found.setdefault(rule, Policy(rule, f"data.main.{rule}", kind, file=path))
    return list(found.values())


# --- what is wrong with their rules -------------------------------------------------------------------------


def _wrong_packages(modules: Mapping[str, str], known: Callable[[str], bool]) -> dict[str, str]:
    """Return what keeps packages from being judged by: their own faults, and those of packages they use."""
    rules: dict[str, set[str]] = {}
    uses: dict[str, set[str]] = {}
    for source in modules.values():
        name = rego_text.package(source)
        rules.setdefault(name, set()).update(rego_text.rules(source))
        names = (t.text for t in rego_text.tokens(source) if t.kind == "name")
        uses.setdefault(name, set()).update(word for word in names if word.startswith("data."))
    wrong: dict[str, str] = {}
    for path, source in modules.items():
        name = rego_text.package(source)
        if line := rego_text.v0_line(source):
            wrong.setdefault(name, f"{path}, line {line}: {rego_text.V0_HINT}")
            continue
        called, line = rego_text.lacking(source, rules[name], known)
        if called:
            why = f"{path}, line {line}: the evaluator has no function {called}"
            wrong.setdefault(name, why)
        loose, line = rego_text.unbound(source, rules[name], known)
        if loose:
            why = f"{path}, line {line}: nothing gives {loose} a value (in OPA an unsafe variable)"
            wrong.setdefault(name, why)
    _spread(wrong, uses)
    return wrong


def _spread(wrong: dict[str, str], uses: Mapping[str, set[str]]) -> None:
    """Have what is wrong with a package be wrong with those that use it, directly or through others."""
    left = [name for name in uses if name not in wrong]
    fresh = list(wrong)
    while fresh:
        found = {name: through for name in left if (through := _used(uses[name], fresh))}
        wrong.update({name: wrong[through] for name, through in found.items()})
        left = [name for name in left if name not in found]
        fresh = list(found)


def _used(words: Iterable[str], packages: Iterable[str]) -> str:
    """Return the first of the packages that the words name, or something in it; empty for none."""
    named: set[str] = set()
    for word in words:
        parts = word.split(".")[1:50]
        named.update(".".join(parts[:end]) for end in range(1, len(parts) + 1))
    return next((package for package in packages if package in named), "")


def _checked(policy: Policy, modules: Mapping[str, str], wrong: Mapping[str, str]) -> Policy:
    """Return the policy with its file, and with what keeps it from being evaluated."""
    names = re.findall(r"data(?:\.\w+)+", policy.query)
    tainted = _used(names, wrong)
    file = policy.file or next(
        (path for path, source in modules.items() if _used(names, [rego_text.package(source)])), ""
    )
    return Policy(
        policy.name, policy.query, policy.level, policy.description, file, wrong[tainted] if tainted else ""
    )
