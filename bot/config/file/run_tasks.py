"""Run tasks in plangate.yml: their form, and checks across values."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field

from bot.config.file.entry import Entry, Pattern, SetName
from bot.config.file.marked_yaml import Loc
from bot.config.file.names import variable_name
from bot.config.file.notifications import secure_address
from bot.config.file.policies import Tags
from bot.config.problems import shown
from bot.config.settings import parse_duration

_LEAST, _MOST = timedelta(seconds=1), timedelta(hours=1)


def _timeout(text: str) -> str:
    if not _LEAST <= parse_duration(text) <= _MOST:
        raise ValueError(f"{shown(text)} must be from 1s to 1h")
    return text


Stages = list[Literal["pre_plan", "post_plan", "pre_apply"]]


class RunTaskEntry(Entry):
    """A service that judges runs. Its key comes from the environment: `key_env` names the variable."""

    url: Annotated[str, AfterValidator(secure_address)] | None = Field(
        default=None, description="Address of the service"
    )
    url_env: Annotated[str, AfterValidator(variable_name)] | None = Field(
        default=None, description="Variable with the address, if that is a secret"
    )
    key_env: Annotated[str, AfterValidator(variable_name)] = Field(
        description="Variable with the key that signs each request"
    )
    stages: Stages | None = Field(
        default=None, min_length=1, description="When it is asked. If unset: post_plan"
    )
    enforcement_level: Literal["advisory", "mandatory"] = Field(
        default="advisory", description="`mandatory`: a run errors unless the task passes"
    )
    timeout: Annotated[str, AfterValidator(_timeout)] | None = Field(
        default=None, description="How long its answer is waited for. If unset: 10m"
    )
    workspaces: list[Pattern] | None = Field(
        default=None, description="Names of workspaces, or patterns of names (`*`, `?`). If unset: all"
    )
    tags: Tags | None = Field(default=None, description="For workspaces with one of these tags")
    exclude: list[Pattern] | None = Field(default=None, description="Workspaces that it is never asked about")


RunTaskEntries = dict[SetName, RunTaskEntry]


def across_run_tasks(data: Mapping[str, Any]) -> Iterator[tuple[Loc, str]]:
    """Check that each task has exactly one address."""
    entries = data.get("run_tasks")
    for name, entry in entries.items() if isinstance(entries, dict) else ():
        if isinstance(entry, dict) and bool(entry.get("url")) == bool(entry.get("url_env")):
            yield ("run_tasks", name), "needs one address: write `url` or `url_env`"
