"""Projects in the database: the ProjectRecords port."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa

from bot.domain.workspaces.project import Project
from bot.store.schema.projects import projects


class SqlProjects:
    """Projects of one transaction."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def all(self) -> Sequence[Project]:
        """Return those that were made, by name."""
        rows = self._connection.execute(sa.select(projects).order_by(projects.c.name)).mappings()
        return [Project(**row) for row in rows]

    def put(self, project: Project) -> None:
        """Store one, in place of one with the same id."""
        self.remove(project.id)
        values = {
            "id": project.id,
            "name": project.name,
            "description": project.description,
            "created_at": project.created_at,
        }
        self._connection.execute(sa.insert(projects).values(**values))

    def remove(self, project_id: str) -> None:
        """Delete one."""
        self._connection.execute(sa.delete(projects).where(projects.c.id == project_id))
