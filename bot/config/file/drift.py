"""Drift detection in plangate.yml: when workspaces are checked, and what is ignored."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from bot.config.file.entry import Entry
from bot.config.problems import shown
from bot.config.settings import parse_duration
from bot.domain.errors import Invalid
from bot.domain.workspaces.drift import DriftIgnore, DriftSettings, check_drift

_LONGEST_PATTERN = 1000


def _when(text: str) -> str:
    _checked(text, *_read(text))
    return text


def _zone(text: str) -> str:
    _checked(text, "", None, text)
    return text


def _read(text: str) -> tuple[str, timedelta | None]:
    if len(text.split()) > 1:
        return text, None
    try:
        return "", parse_duration(text)
    except ValueError as error:
        raise ValueError(
            f"{shown(text)} is not a time: write an interval such as `6h`, or five fields of cron such as "
            '`"0 6 * * *"`'
        ) from error


def _checked(text: str, times: str, every: timedelta | None, zone: str = "UTC") -> None:
    try:
        check_drift(DriftSettings(times, every, zone))
    except Invalid as error:
        said = str(error)
        raise ValueError(said if said.startswith(text) else f"{shown(text)} is not valid: {said}") from error


def _pattern(text: str) -> str:
    if not text.strip() or len(text) > _LONGEST_PATTERN or not text.isprintable():
        raise ValueError(f"must be one line of 1 to {_LONGEST_PATTERN} characters")
    return text


AddressPattern = Annotated[str, AfterValidator(_pattern)]


class DriftIgnoreEntry(Entry):
    """Drift that doesn't count: of some resources, or of some of their attributes."""

    address: AddressPattern = Field(description="Address of a resource, or a pattern with `*` and `?`")
    attributes: list[AddressPattern] | None = Field(
        default=None, description="Only changes of these attributes are ignored. If unset: the resource"
    )


class DriftOptions(Entry):
    """When drift is looked for."""

    drift: Annotated[str, AfterValidator(_when)] | Literal[False] | None = Field(
        default=None,
        description="When to check for drift: an interval such as `6h`, or five fields of cron. "
        "`false`: never",
    )
    drift_ignore: list[AddressPattern | DriftIgnoreEntry] | None = Field(
        default=None, description="Drift that doesn't count: addresses, or attributes of them"
    )
    time_zone: Annotated[str, AfterValidator(_zone)] | None = Field(
        default=None, description="Time zone of the cron fields of `drift`, such as `Europe/Berlin`"
    )


def read_drift_settings(options: DriftOptions) -> DriftSettings:
    """Return the settings of the domain."""
    times, every = _read(options.drift) if options.drift else ("", None)
    return DriftSettings(
        times, every, options.time_zone or "UTC", tuple(map(_ignored, options.drift_ignore or ()))
    )


def _ignored(entry: str | DriftIgnoreEntry) -> DriftIgnore:
    if isinstance(entry, str):
        return DriftIgnore(entry)
    return DriftIgnore(entry.address, tuple(entry.attributes or ()))
