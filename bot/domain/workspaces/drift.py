"""When a workspace is checked for drift, and which drift is ignored.

A check is due at the times of a schedule, or after each interval. Each workspace adds a delay that depends
only on its id, so that many workspaces with one schedule are not checked at one moment.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from bot.domain.errors import Invalid
from bot.domain.workspaces.schedule import Schedule, parse_schedule

SHORTEST = timedelta(minutes=10)
LONGEST_INTERVAL = timedelta(days=366)
SPREAD = timedelta(minutes=10)
"""The longest delay after a time of a schedule. After an interval it is up to the interval itself."""

_LOOKED_BACK = 366


@dataclass(frozen=True)
class DriftIgnore:
    """Drift that doesn't count. `address` is a pattern: `*` and `?` stand for any characters, also brackets.

    With `attributes`, only changes of these do not count; they are patterns of the first names of attributes.
    """

    address: str
    attributes: tuple[str, ...] = ()

    def left_of(self, address: str, attributes: Iterable[str]) -> tuple[str, ...] | None:
        """Return the attributes that still count. None: nothing of the resource counts."""
        if not _pattern(self.address).fullmatch(address):
            return tuple(attributes)
        if not self.attributes:
            return None
        return tuple(each for each in attributes if not self._ignores(each))

    def _ignores(self, attribute: str) -> bool:
        return any(_pattern(each).fullmatch(attribute) for each in self.attributes)


@dataclass(frozen=True)
class DriftSettings:
    """When a workspace is checked: at `times` (five fields of cron, by the clock of `zone`), or `every`.

    If neither is set, it is never checked.
    """

    times: str = ""
    every: timedelta | None = None
    zone: str = "UTC"
    ignore: tuple[DriftIgnore, ...] = ()

    @property
    def on(self) -> bool:
        """Whether the workspace is checked."""
        return bool(self.times or self.every)

    @property
    def words(self) -> str:
        """Say when it is checked."""
        if self.every is not None:
            minutes = int(self.every.total_seconds()) // 60
            return f"every {minutes // 60}h" if minutes % 60 == 0 else f"every {minutes}m"
        return f"at {self.times} {self.zone}" if self.times else "never"

    def last_due(self, workspace_id: str, now: datetime) -> datetime | None:
        """Return the latest time, at or before `now`, at which a check was due. None if there was none."""
        share = int.from_bytes(hashlib.sha256(workspace_id.encode()).digest()[:4]) / 2**32
        if self.every is not None:
            length = self.every.total_seconds()
            delay = share * length
            return datetime.fromtimestamp((now.timestamp() - delay) // length * length + delay, UTC)
        if not self.times:
            return None
        zone, latest = _zone(self.zone), now - share * SPREAD
        # By three hours more: clocks may be set back.
        wall = latest.astimezone(zone).replace(tzinfo=None) + timedelta(hours=3)
        for time in _schedule(self.times).back_from(wall, _LOOKED_BACK):
            found = time.replace(tzinfo=zone, fold=0).astimezone(UTC)
            if found <= latest:
                return found + share * SPREAD
        return None


def check_drift(settings: DriftSettings) -> None:
    """Check what a person wrote. Raises Invalid."""
    _zone(settings.zone)
    if settings.times:
        parse_schedule(settings.times)
    if settings.every is not None and not SHORTEST <= settings.every <= LONGEST_INTERVAL:
        raise Invalid(f"an interval between drift checks is from 10m to {LONGEST_INTERVAL.days}d")


@lru_cache(maxsize=256)
def _schedule(text: str) -> Schedule:
    return parse_schedule(text)


@lru_cache(maxsize=256)
def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ValueError, OSError, KeyError):
        raise Invalid(f"{name} is not a time zone: write one such as Europe/Berlin or UTC") from None


@lru_cache(maxsize=1024)
def _pattern(text: str) -> re.Pattern[str]:
    return re.compile(re.escape(text).replace(r"\*", ".*").replace(r"\?", "."), re.DOTALL)
