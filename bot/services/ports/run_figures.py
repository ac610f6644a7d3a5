"""Figures over the runs of many workspaces: how many each day, and how long their stages took."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Protocol

from bot.domain.events import RepoRef
from bot.domain.runs.run import RunEvent


@dataclass(frozen=True)
class DayOfRuns:
    """The runs that were created on one day (UTC), by how they stand now."""

    day: date
    applied: int = 0
    errored: int = 0
    other: int = 0

    @property
    def total(self) -> int:
        """All of them."""
        return self.applied + self.errored + self.other


class RunFigures(Protocol):
    """Figures of the runs of active workspaces. `repos` are those that the person may see, None: all."""

    def days(self, since: datetime, repos: Sequence[RepoRef] | None) -> Sequence[DayOfRuns]:
        """Return the days since then that have runs, oldest first."""
        ...

    def timelines(
        self, since: datetime, repos: Sequence[RepoRef] | None, limit: int
    ) -> Sequence[tuple[str, Sequence[RunEvent]]]:
        """Return the changes of status of the newest runs with a finished plan, at most `limit` of them.

        Each with the id of its workspace. Newest first.
        """
        ...
