"""The base of all parts of plangate.yml's form."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict

from bot.domain.workspaces.variables import wrong_pattern, wrong_set_name


class Entry(BaseModel):
    """A part of the file: nothing is converted, nothing unknown is skipped."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


def _set_name(text: str) -> str:
    if wrong := wrong_set_name(text):
        raise ValueError(wrong)
    return text


def _pattern(text: str) -> str:
    if wrong := wrong_pattern(text):
        raise ValueError(wrong)
    return text


SetName = Annotated[str, AfterValidator(_set_name)]
"""The name of a set of variables or of policies."""

Pattern = Annotated[str, AfterValidator(_pattern)]
"""The name of a workspace, with `*` and `?` for what varies."""
