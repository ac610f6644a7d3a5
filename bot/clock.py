"""The Clock port on the clock of this machine."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta


class SystemClock:
    """The time of this machine."""

    def now(self) -> datetime:
        """Return the time now, in UTC and aware."""
        return datetime.now(UTC)

    def wait(self, length: timedelta) -> None:
        """Sleep for this long."""
        time.sleep(length.total_seconds())
