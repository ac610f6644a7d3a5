"""A clock that stands still until a test moves it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta


class FakeClock:
    """Implements Clock."""

    def __init__(self, at: datetime = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)) -> None:
        self.at = at

    def now(self) -> datetime:
        return self.at

    def wait(self, length: timedelta) -> None:
        self.at += length

    def forward(self, **by: float) -> datetime:
        """Let time pass: `seconds=5`, `minutes=1`, as in timedelta."""
        self.at += timedelta(**by)
        return self.at
