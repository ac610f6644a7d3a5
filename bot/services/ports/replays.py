"""Where it is kept which changes of policy sets are to be tried on stored plans, and what came of it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from bot.domain.replays import Replay


class Replays(Protocol):
    """What a change would make of the plans that there were: one for each change, set and commit."""

    def add(self, replay: Replay) -> Replay:
        """Insert, or return the one of the same change, set and commit that is there."""
        ...

    def get(self, replay_id: str) -> Replay:
        """Return one. Raises NotFound."""
        ...

    def save(self, replay: Replay) -> None:
        """Keep what has become of one."""
        ...

    def of_change(self, change_id: str) -> Sequence[Replay]:
        """Return those of a change, by set, of each the newest first."""
        ...

    def due(self, now: datetime, limit: int) -> Sequence[str]:
        """Return the ids of those that are wanted and may be tried at `now`, oldest first."""
        ...
