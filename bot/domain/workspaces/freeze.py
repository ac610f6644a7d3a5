"""Freezes: windows of time in which no apply starts, or outside of which none starts.

A window begins at the times of a schedule, and lasts for so long by the clock on the wall of its time zone.
One from Friday 16:00 for 64 hours ends on Monday at 08:00, also if the clocks change in between. A time that
the clocks skip counts an hour later. One that they show twice counts the first time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from bot.domain.errors import Invalid
from bot.domain.workspaces.schedule import Schedule, parse_schedule

LONGEST = timedelta(days=366)
# By so much may a clock be set back or forward at once, and windows may overlap.
_SHIFT = timedelta(hours=3)
# Of windows that follow each other, so many are looked at to find the end.
_MOST_STEPS = 1000


@dataclass(frozen=True)
class FreezeWindow:
    """A window. `deny`: nothing starts in it; else, nothing starts outside of all such windows.

    `starts` are five fields of cron, by the clock of `zone`, an IANA name such as `Europe/Berlin`. `why` is
    for people.
    """

    starts: str
    length: timedelta
    zone: str = "UTC"
    deny: bool = True
    why: str = ""

    def end(self, at: datetime) -> datetime | None:
        """Return when the window that is open at an aware time ends. None if none is open."""
        zone, wall = _zone(self.zone), at.astimezone(_zone(self.zone)).replace(tzinfo=None)
        days = (self.length + 2 * _SHIFT).days + 1
        for start in _schedule(self.starts).back_from(wall + _SHIFT, days):
            if _moment(start, zone) <= at:
                end = _moment(start + self.length, zone)
                return end if end > at else None
        return None

    def next_start(self, at: datetime) -> datetime | None:
        """Return when the next window begins after an aware time. None if none does for years."""
        zone, wall = _zone(self.zone), at.astimezone(_zone(self.zone)).replace(tzinfo=None)
        starts = (_moment(start, zone) for start in _schedule(self.starts).on_from(wall - _SHIFT))
        return next((start for start in starts if start > at), None)


@dataclass(frozen=True)
class Frozen:
    """Why no apply starts now, and until when; None if no end can be told."""

    until: datetime | None
    zone: str
    why: str

    @property
    def words(self) -> str:
        """Say it, such as `waits until Mon 30 Nov 08:00 Europe/Berlin: No applies on weekends`."""
        why = f": {self.why}" if self.why else ""
        if self.until is None:
            return f"waits for the end of a freeze{why}"
        at = self.until.astimezone(_zone(self.zone))
        return f"waits until {at:%a} {at.day} {at:%b} {at:%H:%M} {self.zone}{why}"


def check_window(window: FreezeWindow) -> None:
    """Check what a person wrote. Raises Invalid."""
    parse_schedule(window.starts)
    if not timedelta(minutes=1) <= window.length <= LONGEST:
        raise Invalid(f"a window lasts from 1m to {LONGEST.days}d")
    _zone(window.zone)


def frozen(windows: Sequence[FreezeWindow], now: datetime) -> Frozen | None:
    """Say until when no apply may start, None if one may. Raises Invalid for a window that is not valid."""
    first = _closed(windows, now)
    if first is None:
        return None
    _, by = first
    step: tuple[datetime | None, FreezeWindow] | None = first
    for _ in range(_MOST_STEPS):
        if step is None:
            break
        until = step[0]
        if until is None or until - now > 2 * LONGEST:
            return Frozen(None, by.zone, by.why)
        step = _closed(windows, until)
    else:
        return Frozen(None, by.zone, by.why)
    return Frozen(until, by.zone, by.why)


def _closed(windows: Sequence[FreezeWindow], at: datetime) -> tuple[datetime | None, FreezeWindow] | None:
    """Return when the freeze at a time changes next, and the window that makes it. None if there is none."""
    ends = [(end, each) for each in windows if each.deny and (end := each.end(at)) is not None]
    if ends:
        return max(ends, key=lambda found: found[0])
    allowed = [each for each in windows if not each.deny]
    if not allowed or any(each.end(at) is not None for each in allowed):
        return None
    starts = [(start, each) for each in allowed if (start := each.next_start(at)) is not None]
    return min(starts, key=lambda found: found[0]) if starts else (None, allowed[0])


def _moment(wall: datetime, zone: ZoneInfo) -> datetime:
    """Return the moment at which the clock of a zone shows a naive time, in UTC."""
    return wall.replace(tzinfo=zone, fold=0).astimezone(UTC)


@lru_cache(maxsize=256)
def _schedule(text: str) -> Schedule:
    return parse_schedule(text)


@lru_cache(maxsize=256)
def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ValueError, OSError, KeyError):
        raise Invalid(f"{name} is not a time zone: write one such as Europe/Berlin or UTC") from None
