"""What waits in the whole installation: figures for the metrics, one cheap query each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from bot.domain.runs.lifecycle import RunStatus


@dataclass(frozen=True)
class WaitingWork:
    """How much waits, and since when the oldest of it does. None if nothing waits."""

    count: int
    since: datetime | None


@dataclass(frozen=True)
class RunsOfProject:
    """How many runs have a status, in the workspaces of a project. The project is empty if they have none."""

    status: RunStatus
    project: str
    count: int


class Backlog(Protocol):
    """What waits."""

    def runs(self) -> Sequence[RunsOfProject]:
        """Return the runs that have not ended, counted by status and project."""
        ...

    def deliveries(self) -> WaitingWork:
        """Return the deliveries that are not handled yet."""
        ...

    def reports(self) -> WaitingWork:
        """Return the subjects that were marked, and from whose mark nothing was derived yet."""
        ...

    def report_since(self, subject: str) -> datetime | None:
        """Return since when the newest report of a subject is due. None if it was never marked."""
        ...
