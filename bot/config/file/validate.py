"""Reads plangate.yml and reports all its problems, in words for its author."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import date
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from bot.config.file.concurrency import across_groups
from bot.config.file.freeze import FreezeEntry
from bot.config.file.identity import CLOUDS, IdentityEntry
from bot.config.file.manifest import (
    DEFAULT_FORGE,
    DiscoverEntry,
    Manifest,
    Options,
    WorkspaceEntry,
    forge_form,
    form,
)
from bot.config.file.marked_yaml import Document, Loc, YamlError, read_document
from bot.config.file.names import split_repo
from bot.config.file.notifications import NotificationEntry, across_notifications
from bot.config.file.order import across_order
from bot.config.file.policies import PolicySetEntry, across_policy_sets
from bot.config.file.run_tasks import RunTaskEntry, across_run_tasks
from bot.config.file.sharing import across_sharing
from bot.config.file.variable_entries import (
    ELSEWHERE,
    TAGS,
    VariableEntry,
    VariableSetEntry,
    across_variables,
)
from bot.config.problems import Problems, did_you_mean, looks_secret, shown
from bot.domain.workspaces.run_triggers import find_cycle
from bot.services.ports import ForgeKind, ForgeKinds

_WANTED = {
    "string_type": "text",
    "bool_type": "true or false",
    "list_type": "a list: a line with `- ` for each",
    "dict_type": "a mapping: a line with `key: value` for each",
    "model_type": "a mapping: a line with `key: value` for each",
    "model_attributes_type": "a mapping: a line with `key: value` for each",
}
# What people write for a secret of a forge, besides the role itself.
_SECRETS = {"secret": "webhook_secret", "private_key": "app_private_key", "password": "token"}


def read_manifest(path: Path, kinds: ForgeKinds, problems: Problems) -> tuple[Manifest, Document]:
    """Read the file and note what is wrong with it; an empty manifest where that is anything at all."""
    try:
        document = read_document(path)
    except YamlError as error:
        problems.extend([str(error)])
        return Manifest(), Document(path.name)
    return check(document, kinds, problems), document


def check(document: Document, kinds: ForgeKinds, problems: Problems) -> Manifest:
    """Check a parsed file against its form, and across its parts; note what is wrong."""
    found = list(document.problems)
    manifest = Manifest()
    try:
        manifest = form(kinds).model_validate(document.data)
    except ValidationError as error:
        found += [_explain(detail, document, kinds) for detail in error.errors()]
    across = _across(document.data, kinds)
    found += [(document.place(loc), f"{document.where(loc)}: {what}") for loc, what in across]
    problems.extend(dict.fromkeys(text for _, text in sorted(found)))
    return Manifest() if found else manifest


def _explain(detail: ErrorDetails, document: Document, kinds: ForgeKinds) -> tuple[tuple[int, int], str]:
    loc: Loc = tuple(step for step in detail["loc"] if step not in ("[key]", *TAGS))
    key = detail["type"] == "extra_forbidden" or "[key]" in detail["loc"]
    return document.place(loc, key), f"{document.where(loc, key)}: {_wrong(detail, loc, kinds)}"


def _wrong(detail: ErrorDetails, loc: Loc, kinds: ForgeKinds) -> str:
    kind, value = detail["type"], detail["input"]
    match kind:
        case "extra_forbidden":
            return _unknown_key(loc, kinds)
        case "missing":
            return f"is missing: {_missing(loc, kinds)}"
        case "value_error":
            return str(detail["ctx"]["error"])
        case "literal_error":
            words = re.findall(r"'([^']*)'", str(detail["ctx"]["expected"]))
            return f"{shown(value)} is not known; {did_you_mean(str(value), words)}"
        case "too_short":
            return "is empty: add at least one, such as `- envs/*`"
        case _ if kind in _WANTED:
            what = _what(value)
            if "variables" in loc and kind == "string_type":
                what = what.partition(" (")[0]  # a PIN is a number, and not repeated (promise 6)
            return f"must be {_WANTED[kind]}, not {what}{_fix(kind, loc, value)}"
        case _:
            return str(detail["msg"])


def _unknown_key(loc: Loc, kinds: ForgeKinds) -> str:
    key = str(loc[-1])
    variable = f"{_SECRETS.get(key, key)}_env"
    if loc[0] == "forges" and variable in forge_form(kinds).model_fields:
        return (
            "secrets don't belong in this file: put it into an environment variable, "
            f"and write `{variable}: NAME_OF_THE_VARIABLE`"
        )
    if key == "variables" and loc[0] in ("defaults", "discover", "variables"):
        wanted = "`global: true`" if loc[0] != "discover" else '`workspaces: ["part-of-their-names-*"]`'
        return f"belongs to a workspace; for many at once write a set under `variable_sets:` with {wanted}"
    if len(loc) == 1 and key in WorkspaceEntry.model_fields:
        return (
            "belongs to a workspace: write it under `workspaces:` as `- " + f"{key}: …`, or under `defaults:`"
        )
    known = (field.alias or name for name, field in _model(loc, kinds).model_fields.items())
    return "is not known here; " + did_you_mean(key, known)


def _model(loc: Loc, kinds: ForgeKinds) -> type[BaseModel]:
    parts: dict[str, type[BaseModel]] = {
        "forges": forge_form(kinds),
        "defaults": Options,
        "workspaces": WorkspaceEntry,
        "discover": DiscoverEntry,
        "variable_sets": VariableSetEntry,
        "policy_sets": PolicySetEntry,
        "notifications": NotificationEntry,
        "run_tasks": RunTaskEntry,
    }
    if "variables" in loc[:-1]:
        return VariableEntry
    if "freeze" in loc[:-1]:
        return FreezeEntry
    if "identity" in loc[:-1]:
        return CLOUDS.get(str(loc[-2]), IdentityEntry)
    return parts.get(str(loc[0]), Manifest) if len(loc) > 1 else Manifest


def _missing(loc: Loc, kinds: ForgeKinds) -> str:
    field = _model(loc, kinds).model_fields.get(str(loc[-1]))
    example = {
        "name": "`name: network-prod`",
        "repo": "`repo: acme/infra`",
        "kind": "`kind: github`",
        "directories": '`directories: ["envs/*"]`',
        "key": "`key: region`",
        "for": "`for: 64h`",
    }
    hint = (field.description or "") if field else ""
    return f"write {example.get(str(loc[-1]), 'it')}" + (f" ({hint[0].lower()}{hint[1:]})" if hint else "")


def _what(value: object) -> str:
    match value:
        case None:
            return "nothing"
        case bool():
            return (
                "true (YAML reads `yes` and `on` as true)"
                if value
                else "false (YAML reads `no` and `off` as false)"
            )
        case int() | float():
            return f"a number ({value})"
        case list():
            return "a list"
        case dict():
            return "a mapping"
        case str():
            return f"the text {shown(value)}"
        case _:
            return f"a date ({value})" if isinstance(value, date) else "binary data"


def _fix(kind: str, loc: Loc, value: object) -> str:
    if kind == "list_type" and isinstance(value, str):
        return f": write [{shown(value)}]".replace("`", '"')
    if kind == "bool_type" and str(value).casefold() in ("true", "false", "yes", "no"):
        return ": write it without quotes"
    if kind == "string_type" and isinstance(value, float) and loc[-1] == "terraform_version":
        return ': put it in quotes, because YAML reads 1.10 as 1.1: "1.10"'
    if kind == "string_type" and value is not None and not isinstance(value, list | dict):
        return ": put it in quotes"
    return ""


def _across(data: Mapping[str, Any], there: ForgeKinds) -> Iterator[tuple[Loc, str]]:
    """Check what no single value shows. Takes raw data, so that it speaks even where the form is wrong."""
    yield from _literals((), data)
    forges = data.get("forges")
    named = forges if isinstance(forges, dict) and forges else {DEFAULT_FORGE: {"kind": DEFAULT_FORGE}}
    kinds = _kinds(named, there)
    grouped = " and ".join(kind.title for kind in there.values() if kind.form.subgroups)
    parts = [(key, entries) for key in ("workspaces", "discover") if (entries := data.get(key))]
    if not parts:
        yield (), "names no workspace: write one under `workspaces:`, or a rule under `discover:`"
    yield from _triggers(("defaults",), data.get("defaults"))
    yield from across_groups(("defaults",), data.get("defaults"), data.get("concurrency"))
    for key, entries in parts:
        for index, entry in enumerate(entries if isinstance(entries, list) else []):
            yield from _triggers((key, index), entry)
            yield from across_groups((key, index), entry, data.get("concurrency"))
            yield from _forge((key, index), entry, kinds, grouped)
    yield from _doubled(data.get("workspaces"))
    yield from across_variables(data)
    sets = data.get("policy_sets")
    for index, entry in enumerate(sets if isinstance(sets, list) else []):
        yield from _forge(("policy_sets", index), entry, kinds, grouped)
    yield from across_policy_sets(data, kinds)
    yield from across_notifications(data)
    yield from across_run_tasks(data)
    yield from _run_triggers(data.get("workspaces"), discovers=bool(data.get("discover")))
    yield from across_order(data, list(kinds))
    yield from across_sharing(data, list(kinds))


def _kinds(forges: Mapping[str, Any], there: ForgeKinds) -> dict[str, ForgeKind | None]:
    return {
        str(name): there.get(str(entry.get("kind") if isinstance(entry, dict) else ""))
        for name, entry in forges.items()
    }


def _literals(loc: Loc, value: object) -> Iterator[tuple[Loc, str]]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _literals((*loc, key), inner)
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from _literals((*loc, index), inner)
    elif isinstance(value, str) and looks_secret(value):
        instead = f"; {ELSEWHERE}" if "variables" in loc else ""
        yield (
            loc,
            "looks like a secret, and secrets don't belong in this file: remove it, and revoke the secret"
            + instead,
        )


def _triggers(loc: Loc, entry: object) -> Iterator[tuple[Loc, str]]:
    if isinstance(entry, dict) and entry.get("trigger_prefixes") and entry.get("trigger_patterns"):
        yield (*loc, "trigger_patterns"), "excludes `trigger_prefixes`: keep one of them"


def _forge(
    loc: Loc, entry: object, kinds: Mapping[str, ForgeKind | None], grouped: str
) -> Iterator[tuple[Loc, str]]:
    names = list(kinds)
    repo = entry.get("repo") if isinstance(entry, dict) else None
    if not isinstance(repo, str) or "://" in repo or repo.startswith("git@"):
        return
    forge, path = split_repo(repo)
    if forge and forge not in names:
        yield (*loc, "repo"), f"there is no forge {shown(forge)} in this file; {did_you_mean(forge, names)}"
    elif not forge and len(names) > 1:
        wanted = " or ".join(f"`{name}:{path}`" for name in names[:3])
        yield (*loc, "repo"), f"say on which forge it is: {wanted}"
    elif path.count("/") > 1 and (kind := kinds[forge or names[0]]) and not kind.form.subgroups:
        yield (
            (*loc, "repo"),
            f"{shown(path)} is not a valid repository: write owner/name; only {grouped} has groups in groups",
        )


def _run_triggers(entries: object, *, discovers: bool) -> Iterator[tuple[Loc, str]]:
    """Check that run triggers name workspaces that there are, and lead in no circle."""
    sources: dict[str, list[str]] = {}
    places: dict[str, int] = {}
    for index, entry in enumerate(entries if isinstance(entries, list) else []):
        name = entry.get("name") if isinstance(entry, dict) else None
        named = entry.get("run_triggers") if isinstance(entry, dict) else None
        if isinstance(name, str):
            sources[name] = (
                [each for each in named if isinstance(each, str)] if isinstance(named, list) else []
            )
            places.setdefault(name, index)
    for name, named in sources.items():
        for position, source in enumerate(named):
            # A discovered workspace has its name only once its directory is found.
            if source not in sources and not discovers:
                loc: Loc = ("workspaces", places[name], "run_triggers", position)
                yield loc, f"there is no workspace {shown(source)}; {did_you_mean(source, sources)}"
    for name, inputs in _input_sources(entries):
        if name in sources:
            sources[name] += [each for each in inputs if each != name]
    if cycle := find_cycle(sources):
        loc = ("workspaces", places[cycle[0]], "run_triggers")
        yield loc, f"form a cycle: {' -> '.join(cycle)}; leave one of these out"


def _input_sources(entries: object) -> Iterator[tuple[str, list[str]]]:
    """Yield the workspaces whose outputs each workspace gets: their applies start runs, too."""
    for entry in entries if isinstance(entries, list) else []:
        inputs = entry.get("inputs") if isinstance(entry, dict) else None
        if isinstance(inputs, dict):
            yield str(entry.get("name")), [str(each).partition(".")[0] for each in inputs.values()]


def _doubled(entries: object) -> Iterator[tuple[Loc, str]]:
    seen: dict[str, int] = {}
    for index, entry in enumerate(entries if isinstance(entries, list) else []):
        name = entry.get("name") if isinstance(entry, dict) else None
        if not isinstance(name, str):
            continue
        if name.casefold() in seen:
            first = f"workspaces[{seen[name.casefold()]}]"
            yield (
                ("workspaces", index, "name"),
                f"{shown(name)} is the name of {first} too: give each its own",
            )
        seen.setdefault(name.casefold(), index)
