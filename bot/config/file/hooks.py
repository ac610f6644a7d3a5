"""Hooks in plangate.yml: commands of the server that judge plans."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from bot.config.file.entry import Entry, Pattern, SetName
from bot.config.file.names import variable_name
from bot.config.file.policies import Tags
from bot.config.file.run_tasks import Stages, stage_timeout
from bot.config.problems import shown


def _absolute(text: str) -> str:
    if not Path(text).is_absolute() or "\0" in text:
        raise ValueError(f"{shown(text)} is not an absolute path: write it as /usr/local/bin/program")
    return text


def _command(words: list[str]) -> list[str]:
    _absolute(words[0])
    if any("\0" in word for word in words):
        raise ValueError("has a NUL in it: remove it")
    return words


class HookEntry(Entry):
    """A command that judges plans. It comes from this file only, never from a repository."""

    command: Annotated[list[str], AfterValidator(_command)] = Field(
        min_length=1, description="Absolute path of the program, and its arguments. No shell"
    )
    stages: Stages | None = Field(default=None, min_length=1, description="When it runs. If unset: post_plan")
    enforcement_level: Literal["advisory", "mandatory"] = Field(
        default="advisory", description="`mandatory`: a run errors unless the hook passes"
    )
    timeout: Annotated[str, AfterValidator(stage_timeout)] | None = Field(
        default=None, description="How long it may run. If unset: 10m"
    )
    reads: list[Annotated[str, AfterValidator(_absolute)]] | None = Field(
        default=None, description="Paths that it may read besides the system's programs and itself"
    )
    environment: list[Annotated[str, AfterValidator(variable_name)]] | None = Field(
        default=None, description="Names of the server's variables that it gets"
    )
    network: bool = Field(
        default=False, description="`true`: it reaches what the worker reaches. If unset: nothing"
    )
    workspaces: list[Pattern] | None = Field(
        default=None, description="Names of workspaces, or patterns of names (`*`, `?`). If unset: all"
    )
    tags: Tags | None = Field(default=None, description="For workspaces with one of these tags")
    exclude: list[Pattern] | None = Field(default=None, description="Workspaces that it never judges")


HookEntries = dict[SetName, HookEntry]
