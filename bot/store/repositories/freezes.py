"""Freezes as JSON: the windows of workspaces, and until when runs wait."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from bot.domain.workspaces.freeze import FreezeWindow, Frozen


def window_row(window: FreezeWindow) -> dict[str, Any]:
    """Return a window as JSON. Its length is in seconds."""
    return {**vars(window), "length": int(window.length.total_seconds())}


def read_window(kept: Mapping[str, Any]) -> FreezeWindow:
    """Return a window from its JSON."""
    return FreezeWindow(**{**kept, "length": timedelta(seconds=kept["length"])})


def frozen_row(frozen: Frozen | None) -> dict[str, Any] | None:
    """Return as JSON until when a run waits."""
    return {**vars(frozen), "until": frozen.until and frozen.until.isoformat()} if frozen else None


def read_frozen(kept: Mapping[str, Any] | None) -> Frozen | None:
    """Return from its JSON until when a run waits."""
    if not kept:
        return None
    until = kept["until"]
    return Frozen(datetime.fromisoformat(until) if until else None, kept["zone"], kept["why"])
