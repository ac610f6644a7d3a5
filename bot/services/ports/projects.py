"""Projects that were made through the API."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from bot.domain.workspaces.project import Project


class ProjectRecords(Protocol):
    """Stores projects."""

    def all(self) -> Sequence[Project]:
        """Return those that were made, by name."""
        ...

    def put(self, project: Project) -> None:
        """Store one, in place of one with the same id. Raises Conflict if another has its name."""
        ...

    def remove(self, project_id: str) -> None:
        """Delete one. Does nothing if it is unknown."""
        ...
