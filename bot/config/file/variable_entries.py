"""The form of variables and sets of them in plangate.yml, and what no single value of them shows."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, ConfigDict, Discriminator, Field, Tag

from bot.config.file.entry import Entry, Pattern, SetName
from bot.config.file.marked_yaml import Loc
from bot.config.problems import looks_secret, shown
from bot.domain.workspaces.phase import Phase
from bot.domain.workspaces.variables import KEY_LENGTH, Category, wrong_key, wrong_phase

# How pydantic names the two ways to write variables, in the places of its errors; no key of YAML's is so.
TAGS = ("<list>", "<mapping>")
SOURCES = ("value", "value_env", "value_file")
ELSEWHERE = "put it into an environment variable and write `value_env: ITS_NAME`, or a file and `value_file:`"
_OUTPUT = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z_][\w-]*", re.ASCII)
_ENV_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
# What opens Plangate itself must not be handed to Terraform, where a change's code could read it (promise 5).
_OURS = re.compile(r"PLANGATE_.*|DATABASE_URL|REDIS_URL")


def _env_name(text: str) -> str:
    if looks_secret(text) or not _ENV_NAME.fullmatch(text):
        # The text is not repeated: people paste the secret itself here (promise 6).
        raise ValueError("must be the name of an environment variable, such as DNS_TOKEN, not a value")
    if _OURS.fullmatch(text):
        raise ValueError(f"{text} is a setting of Plangate's own, which no run gets: use another variable")
    return text


def _variable_name(text: str) -> str:
    if wrong := wrong_key(text, Category.TERRAFORM):
        raise ValueError(wrong)
    return text


def _output(text: str) -> str:
    if not _OUTPUT.fullmatch(text):
        raise ValueError(
            f"{shown(text)} is not an output: write the workspace's name and the output's, "
            "such as network-prod.vpc_id"
        )
    return text


Inputs = dict[Annotated[str, AfterValidator(_variable_name)], Annotated[str, AfterValidator(_output)]]


class VariableEntry(Entry):
    """A variable, with its value or where the value is."""

    model_config = ConfigDict(
        json_schema_extra={"oneOf": [{"required": [source]} for source in SOURCES]},
    )

    key: str = Field(
        description="Name of the Terraform variable, or of the environment variable",
        json_schema_extra={"maxLength": KEY_LENGTH},
    )
    value: str | None = Field(default=None, description="The value. Never a secret")
    value_env: Annotated[str, AfterValidator(_env_name)] | None = Field(
        default=None, description="Environment variable of the server that holds the value"
    )
    value_file: str | None = Field(
        default=None, description="File that holds the value. A relative path starts at this file's folder"
    )
    category: Literal["terraform", "env"] = Field(
        default="terraform", description="`env`: an environment variable of Terraform's processes"
    )
    hcl: bool = Field(default=False, description="Whether the value is an HCL expression, such as a list")
    sensitive: bool = Field(
        default=False, description="Whether the value is never shown, and masked in output"
    )
    phase: Literal["plan", "apply", "both"] = Field(
        default="both",
        description="Which part of a run has it; `plan` and `apply` are for environment variables",
    )
    description: str = Field(default="", description="What it is for")


def _way(value: object) -> str | None:
    if isinstance(value, list):
        return TAGS[0]
    return TAGS[1] if isinstance(value, dict) else None


Variables = Annotated[
    Annotated[list[VariableEntry], Tag(TAGS[0])] | Annotated[dict[str, str], Tag(TAGS[1])],
    Discriminator(
        _way,
        custom_error_type="variables_type",
        custom_error_message="must be a list of variables, each with `- key:`, or `name: text` for each",
    ),
]


class VariableSetEntry(Entry):
    """A set of variables for many workspaces: for all, or for those named."""

    name: SetName = Field(description="Letters, digits, `-` and `_`. Unique")
    everywhere: bool = Field(default=False, alias="global", description="`true`: for every workspace")
    workspaces: list[Pattern] | None = Field(
        default=None, description="Names of workspaces, discovered ones too, or patterns of names (`*`, `?`)"
    )
    description: str = Field(default="", description="What it is for")
    variables: Variables | None = Field(default=None, description="The variables in it")


def across_variables(data: Mapping[str, Any]) -> Iterator[tuple[Loc, str]]:
    """Check raw variables across their parts, so that it speaks even where the form is wrong."""
    for part in ("workspaces", "variable_sets"):
        for index, entry in enumerate(_list(data.get(part))):
            if isinstance(entry, dict):
                yield from _variables((part, index, "variables"), entry.get("variables"))
    names: set[str] = set()
    for index, entry in enumerate(_list(data.get("variable_sets"))):
        if isinstance(entry, dict):
            yield from _set(("variable_sets", index), entry, names)


def _variables(loc: Loc, value: object) -> Iterator[tuple[Loc, str]]:
    places: set[tuple[str, str, str]] = set()
    if isinstance(value, dict):
        for key in value:
            if wrong := wrong_key(key, Category.TERRAFORM):
                yield (*loc, key), wrong
    for index, entry in enumerate(_list(value)):
        key = entry.get("key") if isinstance(entry, dict) else None
        if isinstance(key, str):
            yield from _variable((*loc, index), entry, key, places)


def _variable(
    loc: Loc, entry: dict[str, Any], key: str, places: set[tuple[str, str, str]]
) -> Iterator[tuple[Loc, str]]:
    category, phase = entry.get("category", "terraform"), entry.get("phase", "both")
    if category in list(Category) and phase in list(Phase):
        if wrong := wrong_key(key, Category(category)):
            yield (*loc, "key"), wrong
        if (category, key, phase) in places:
            yield (*loc, "key"), f"{shown(key)} appears twice in this list: keep one"
        places.add((category, key, phase))
        if wrong := wrong_phase(shown(key), Category(category), Phase(phase)):
            yield (*loc, "phase"), wrong
    given = [name for name in SOURCES if entry.get(name) is not None]
    if not given:
        # Not in the form itself, for an empty `value:` is a mistake that people make.
        yield loc, f"{shown(key)} has no value: write `value:`, `value_env:` or `value_file:`"
    for extra in given[1:]:
        yield (*loc, extra), f"excludes `{given[0]}`: keep one of them"
    if "value" in given and entry.get("sensitive") is True:
        yield (*loc, "value"), f"a sensitive value does not belong in this file: {ELSEWHERE}"
    if entry.get("hcl") is True and category == "env":
        yield (*loc, "hcl"), "is only for Terraform variables: environment variables are plain text"


def _set(loc: Loc, entry: dict[str, Any], names: set[str]) -> Iterator[tuple[Loc, str]]:
    name = entry.get("name")
    if isinstance(name, str):
        if name in names:
            yield (*loc, "name"), f"{shown(name)} is the name of a set above: give each its own"
        names.add(name)
    if entry.get("global") is True and entry.get("workspaces"):
        yield (*loc, "workspaces"), "excludes `global: true`, which is every workspace: keep one of them"
    if "global" not in entry and "workspaces" not in entry:
        yield loc, "reaches no workspace: write `global: true`, or `workspaces:` with names or patterns"


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []
