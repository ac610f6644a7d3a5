"""The machine's clock, behind the Clock port."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta


class SystemClock:
    """The time as the machine has it."""

    def now(self) -> datetime:
        """Return the time now, in UTC and aware."""
        return datetime.now(UTC)

    def wait(self, length: timedelta) -> None:
        """Return after a while."""
        time.sleep(length.total_seconds())
