"""Figures over the runs of many workspaces: the RunFigures port. One statement for each kind of figure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime

import sqlalchemy as sa

from bot.domain.events import RepoRef
from bot.domain.runs.lifecycle import RunStatus, StageStatus
from bot.domain.runs.run import RunEvent
from bot.services.ports.run_figures import DayOfRuns
from bot.store.schema.runs import run_events, runs
from bot.store.schema.workspaces import workspaces

_ERRORED = (RunStatus.ERRORED.value, RunStatus.POLICY_SOFT_FAILED.value)
_STATUSES = [status.value for status in RunStatus]


class SqlRunFigures:
    """The figures, in one transaction."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def days(self, since: datetime, repos: Sequence[RepoRef] | None) -> Sequence[DayOfRuns]:
        """Return the days since then that have runs, oldest first."""
        kind = sa.case(
            (runs.c.status == RunStatus.APPLIED.value, "applied"),
            (runs.c.status.in_(_ERRORED), "errored"),
            else_="other",
        )
        day = self._day()
        statement = (
            sa.select(day, kind, sa.func.count())
            .where(runs.c.created_at >= since, _of(repos))
            .group_by(day, kind)
            .order_by(day)
        )
        found: dict[str, dict[str, int]] = {}
        for name, what, count in self._connection.execute(statement):
            found.setdefault(name, {})[what] = count
        return [DayOfRuns(date.fromisoformat(name), **counts) for name, counts in found.items()]

    def timelines(
        self, since: datetime, repos: Sequence[RepoRef] | None, limit: int
    ) -> Sequence[tuple[str, Sequence[RunEvent]]]:
        """Return the changes of status of the newest runs with a finished plan, at most `limit` of them."""
        newest = (
            sa.select(runs.c.id, runs.c.workspace_id, runs.c.created_at)
            .where(runs.c.created_at >= since, runs.c.plan_status == StageStatus.FINISHED.value, _of(repos))
            .order_by(runs.c.created_at.desc(), runs.c.id.desc())
            .limit(limit)
            .subquery()
        )
        statement = (
            sa.select(newest.c.workspace_id, run_events.c.run_id, run_events.c.at, run_events.c.kind)
            .join_from(newest, run_events, run_events.c.run_id == newest.c.id)
            .where(run_events.c.kind.in_(_STATUSES))
            .order_by(newest.c.created_at.desc(), newest.c.id.desc(), run_events.c.position)
        )
        found: dict[str, tuple[str, list[RunEvent]]] = {}
        for workspace_id, run_id, at, kind in self._connection.execute(statement):
            found.setdefault(run_id, (workspace_id, []))[1].append(RunEvent(run_id, at, kind, "", ""))
        return list(found.values())

    def _day(self) -> sa.ColumnElement[str]:
        if self._connection.dialect.name == "postgresql":
            return sa.func.to_char(sa.func.timezone("UTC", runs.c.created_at), "YYYY-MM-DD")
        # SQLite keeps a time as text, in UTC.
        return sa.func.substr(sa.cast(runs.c.created_at, sa.Text), 1, len("2026-01-31"))


def _of(repos: Sequence[RepoRef] | None) -> sa.ColumnElement[bool]:
    places: list[sa.ColumnElement[bool]] = [workspaces.c.active]
    if repos is not None:
        place = sa.tuple_(workspaces.c.forge, workspaces.c.repo_path)
        places.append(place.in_([(repo.forge, repo.path) for repo in repos]))
    return runs.c.workspace_id.in_(sa.select(workspaces.c.id).where(*places))
