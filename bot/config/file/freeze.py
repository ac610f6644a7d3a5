"""Freezes in plangate.yml: windows of time in which no apply starts, or outside of which none starts."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Self

from pydantic import AfterValidator, Field, model_validator

from bot.config.file.entry import Entry
from bot.config.problems import shown
from bot.config.settings import parse_duration
from bot.domain.errors import Invalid
from bot.domain.workspaces.freeze import FreezeWindow, check_window

_AN_HOUR = timedelta(hours=1)
_LONGEST_WHY = 100


def _starts(text: str) -> str:
    return _checked(text, FreezeWindow(text, _AN_HOUR))


def _length(text: str) -> str:
    return _checked(text, FreezeWindow("0 0 * * *", parse_duration(text)))


def _zone(text: str) -> str:
    return _checked(text, FreezeWindow("0 0 * * *", _AN_HOUR, text))


def _checked(text: str, window: FreezeWindow) -> str:
    try:
        check_window(window)
    except Invalid as error:
        said = str(error)
        raise ValueError(said if said.startswith(text) else f"{shown(text)} is not valid: {said}") from error
    return text


def _why(text: str) -> str:
    if len(text) > _LONGEST_WHY or not text.isprintable():
        raise ValueError(f"must be one line of {_LONGEST_WHY} characters at most")
    return text.strip()


Starts = Annotated[str, AfterValidator(_starts)]


class FreezeEntry(Entry):
    """One window: `deny` or `allow`, and for how long."""

    deny: Starts | None = Field(
        default=None, description="When a window begins in which no apply starts: five fields of cron"
    )
    allow: Starts | None = Field(
        default=None, description="When a window begins outside of which no apply starts"
    )
    length: Annotated[str, AfterValidator(_length)] = Field(
        alias="for", description="How long it lasts, such as `64h`, by the clock of the zone"
    )
    zone: Annotated[str, AfterValidator(_zone)] = Field(
        default="UTC", description="Time zone, such as `Europe/Berlin`"
    )
    why: Annotated[str, AfterValidator(_why)] = Field(default="", description="The reason, for people")

    @model_validator(mode="after")
    def _one_of_two(self) -> Self:
        if (self.deny is None) is (self.allow is None):
            raise ValueError('needs one of `deny` and `allow`, such as `deny: "0 16 * * FRI"`')
        return self


def read_freeze(entries: list[FreezeEntry] | None) -> tuple[FreezeWindow, ...]:
    """Return the windows of the domain."""
    return tuple(
        FreezeWindow(
            each.deny or each.allow or "",
            parse_duration(each.length),
            each.zone,
            each.deny is not None,
            each.why,
        )
        for each in entries or ()
    )
