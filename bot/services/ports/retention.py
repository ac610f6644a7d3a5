"""What may be forgotten, a few rows at a time."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol


class Retention(Protocol):
    """Forgets what nobody needs any more; never a state, nor anything of a run that may have applied.

    Each method forgets `limit` rows or runs at most, and returns how many it were.
    """

    def deliveries(self, before: datetime, limit: int) -> int:
        """Forget deliveries received before `before` that are done with."""
        ...

    def saved_plans(self, before: datetime, limit: int) -> int:
        """Forget the saved plans of previews that ended before `before`: too old to be taken over."""
        ...

    def previews(self, before: datetime, limit: int) -> int:
        """Forget output and plans of previews that ended before `before`, unless their change is open."""
        ...

    def leases(self, before: datetime, limit: int) -> int:
        """Forget leases that ended before `before`; those of runs not before the run has."""
        ...
