"""The machine's clock, behind the Clock port."""

from __future__ import annotations

from datetime import UTC, datetime


class SystemClock:
    """The time as the machine has it."""

    def now(self) -> datetime:
        """Return the time now, in UTC and aware."""
        return datetime.now(UTC)
