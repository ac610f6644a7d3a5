"""Counts what waits: the Backlog port. Each query reads a partial index of what waits, not a whole table."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import sqlalchemy as sa

from bot.domain.runs.lifecycle import RunStatus
from bot.services.ports.backlog import RunsOfProject, WaitingWork
from bot.store.schema.deliveries import deliveries
from bot.store.schema.posts import subjects
from bot.store.schema.runs import UNFINISHED, runs
from bot.store.schema.workspaces import workspaces


class SqlBacklog:
    """The backlog, in one transaction."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def runs(self) -> Sequence[RunsOfProject]:
        """Return the runs that have not ended, counted by status and project."""
        query = (
            sa.select(runs.c.status, workspaces.c.project, sa.func.count())
            .join_from(runs, workspaces, workspaces.c.id == runs.c.workspace_id)
            .where(UNFINISHED)
            .group_by(runs.c.status, workspaces.c.project)
            .order_by(runs.c.status, workspaces.c.project)
        )
        found = self._connection.execute(query)
        return [RunsOfProject(RunStatus(status), project, count) for status, project, count in found]

    def deliveries(self) -> WaitingWork:
        """Return the deliveries that are not handled yet."""
        return self._waiting(deliveries.c.received_at, deliveries.c.handled_at.is_(None))

    def reports(self) -> WaitingWork:
        """Return the subjects that were marked, and from whose mark nothing was derived yet."""
        return self._waiting(subjects.c.due_at, sa.text("due_mark > derived_mark"))

    def report_since(self, subject: str) -> datetime | None:
        """Return since when the newest report of a subject is due. None if it was never marked."""
        query = sa.select(subjects.c.due_at).where(subjects.c.subject == subject)
        return self._connection.execute(query).scalar_one_or_none()

    def _waiting(self, at: sa.Column[datetime], which: sa.ColumnElement[bool] | sa.TextClause) -> WaitingWork:
        count, since = self._connection.execute(
            sa.select(sa.func.count(), sa.func.min(at)).select_from(at.table).where(which)
        ).one()
        return WaitingWork(count, since)
