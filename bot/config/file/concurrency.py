"""Concurrency groups in plangate.yml: how many runs of a group may be at work at once."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator

from bot.config.file.marked_yaml import Loc
from bot.config.problems import did_you_mean, shown
from bot.domain.workspaces.discovery import NAME


def _group(text: str) -> str:
    if not NAME.fullmatch(text):
        raise ValueError(f"{shown(text)} is not a valid group name: letters, digits, `-`, `_`")
    return text


def _limit(value: object) -> object:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ValueError("must be how many runs may be at work at once: a whole number from 1, such as 2")
    return value


GroupName = Annotated[str, AfterValidator(_group)]
GroupLimit = Annotated[int, BeforeValidator(_limit)]


def across_groups(loc: Loc, entry: object, groups: object) -> Iterator[tuple[Loc, str]]:
    """Check that the group of a workspace, a rule or the defaults has a limit."""
    named = entry.get("concurrency") if isinstance(entry, dict) else None
    known = [str(each) for each in groups] if isinstance(groups, dict) else []
    if isinstance(named, str) and named not in known:
        hint = did_you_mean(named, known) if known else f"write it there with its limit, such as `{named}: 2`"
        yield (*loc, "concurrency"), f"there is no group {shown(named)} under `concurrency:`; {hint}"
