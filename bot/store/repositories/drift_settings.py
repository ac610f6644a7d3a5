"""When workspaces are checked for drift, as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from bot.domain.workspaces.drift import DriftIgnore, DriftSettings


def drift_row(settings: DriftSettings) -> dict[str, Any]:
    """Return the settings as JSON, empty if nothing is set. The interval is in seconds."""
    if settings == DriftSettings():
        return {}
    return {
        "times": settings.times,
        "every": int(settings.every.total_seconds()) if settings.every is not None else None,
        "zone": settings.zone,
        "ignore": [[each.address, list(each.attributes)] for each in settings.ignore],
    }


def read_drift_row(kept: Mapping[str, Any]) -> DriftSettings:
    """Return the settings from their JSON."""
    if not kept:
        return DriftSettings()
    every = timedelta(seconds=kept["every"]) if kept["every"] is not None else None
    ignore = tuple(DriftIgnore(address, tuple(attributes)) for address, attributes in kept["ignore"])
    return DriftSettings(kept["times"], every, kept["zone"], ignore)
