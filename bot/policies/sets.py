"""Reads a policy set's files: its index, its modules, its tests and its data.

A set is a folder with `policies.hcl` (HashiCorp's format) or `policies.yml` (the same in YAML); without
either, Conftest's convention holds, and the modules say which policies there are.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml

from bot.domain.errors import Invalid
from bot.domain.policies.policy import EnforcementLevel
from bot.policies.hcl import read_blocks
from bot.services.ports.policies import Files

_INDEXES = ("policies.hcl", "policies.yml", "policies.yaml")
_DATA = (".json", ".yaml", ".yml")
_TEST = "_test.rego"
_LEVELS = {
    **{level.value: level for level in EnforcementLevel},
    # HashiCorp's word for OPA policies that may be overridden.
    "mandatory": EnforcementLevel.SOFT,
}
NO_POLICY = (
    "there is no policy in the set: it needs a policies.hcl or policies.yml, "
    "or a rule deny, violation or warn in package main"
)
_KEYS = {"query", "enforcement_level", "description", "name", "source"}


@dataclass(frozen=True)
class Policy:
    """One policy that a set's index names."""

    name: str
    query: str
    level: EnforcementLevel
    description: str = ""


@dataclass(frozen=True)
class RuleSet:
    """A set that was read. `policies` is None without an index: then the input is the plan itself."""

    policies: tuple[Policy, ...] | None
    modules: Mapping[str, str]
    data: Mapping[str, str]
    tests: Mapping[str, str] = field(default_factory=dict)


def read_set(files: Files) -> RuleSet:
    """Read a set. Raises Invalid if its policies can't be determined."""
    texts = {path: _text(path, raw) for path, raw in sorted(files.items())}
    rego = {path: text for path, text in texts.items() if path.endswith(".rego")}
    modules = {path: text for path, text in rego.items() if not path.endswith(_TEST)}
    tests = {path: text for path, text in rego.items() if path.endswith(_TEST)}
    data = {path: text for path, text in texts.items() if path.endswith(_DATA) and path not in _INDEXES}
    for path, text in data.items():
        _no_aliases(path, text)
    index = next((name for name in _INDEXES if name in texts), "")
    policies = tuple(_indexed(index, texts[index])) if index else None
    if policies == () or not (modules or tests):
        raise Invalid(NO_POLICY)
    return RuleSet(policies, modules, data, tests)


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
        raise Invalid(f"{path} is not valid YAML: {' '.join(str(error).split())[:200]}") from error
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
        raise Invalid(f"{path} is not valid YAML: {' '.join(str(error).split())[:200]}") from error
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
    description = str(entry.get("description") or "")
    for text in (query, description):
        # A database keeps neither.
        if "\0" in text or any("\ud800" <= c <= "\udfff" for c in text):
            raise Invalid(f"{where}: {name} has a character in it that is not text (U+0000 or a surrogate)")
    level = entry.get("enforcement_level", EnforcementLevel.ADVISORY.value)
    if level not in _LEVELS:
        raise Invalid(f"{where}: {level!r} is not an enforcement level: write one of {', '.join(_LEVELS)}")
    if extra := sorted(set(map(str, entry)) - _KEYS):
        raise Invalid(
            f"{where}: {extra[0]!r} is not known; a policy has a query, enforcement_level, description"
        )
    return Policy(name, query.strip(), _LEVELS[str(level)], description)
