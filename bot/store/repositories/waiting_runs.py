"""Runs that wait for a worker, by the change or commit they belong to, and how many are at work."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

import sqlalchemy as sa

from bot.domain.events import RepoRef
from bot.domain.runs.lifecycle import AT_WORK, UNDER_WAY
from bot.domain.runs.run import IN_BACKGROUND, Run
from bot.services.ports.runs import Waiting, WorkGroup
from bot.store.repositories.awaited_runs import (
    awaited_workspaces,
    workspaces_after,
    workspaces_after_any,
)
from bot.store.repositories.run_rows import read_run
from bot.store.schema.runs import UNFINISHED, leases, runs
from bot.store.schema.workspaces import workspaces

# "plac" in bytes: the first half of the advisory locks of concurrency groups.
_PLACES = 0x706C6163
_number = sa.func.coalesce(runs.c.change_number, 0)
_commit = sa.case((runs.c.change_number.is_(None), runs.c.commit_sha), else_="")
_JOINED = runs.join(workspaces, runs.c.workspace_id == workspaces.c.id).outerjoin(
    leases, leases.c.name == sa.literal("run:") + runs.c.id
)


class SqlWaitingRuns:
    """Waiting runs of one transaction."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def groups(self, waiting: Waiting, now: datetime) -> Sequence[WorkGroup]:
        """Return every change and commit with runs that wait or are at work, with how many there are."""
        held, waits = _held(now), _waits(waiting, now)
        query = (
            sa.select(
                workspaces.c.forge,
                workspaces.c.repo_path,
                _number.label("number"),
                _commit.label("commit"),
                sa.func.sum(sa.case((held, 1), else_=0)).label("at_work"),
                sa.func.sum(sa.case((waits, 1), else_=0)).label("waiting"),
                sa.func.min(sa.case((waits, runs.c.created_at))).label("since"),
            )
            .select_from(_JOINED)
            .where(*_UNDER_WAY)
            .group_by(workspaces.c.forge, workspaces.c.repo_path, _number, _commit)
        )
        return [
            WorkGroup(
                RepoRef(row.forge, row.repo_path), row.number, row.commit, row.at_work, row.waiting, row.since
            )
            for row in self._connection.execute(query)
        ]

    def of(self, group: WorkGroup, waiting: Waiting, now: datetime, limit: int) -> Sequence[Run]:
        """Return the runs of a group that wait, oldest first."""
        query = (
            sa.select(runs)
            .select_from(_JOINED)
            .where(
                *_UNDER_WAY,
                _waits(waiting, now),
                workspaces.c.forge == group.repo.forge,
                workspaces.c.repo_path == group.repo.path,
                _number == group.number,
                _commit == group.commit,
            )
            .order_by(runs.c.created_at, runs.c.sequence, runs.c.id)
            .limit(limit)
        )
        return [read_run(row) for row in self._connection.execute(query).mappings()]

    def at_work(
        self, group: str, now: datetime | None = None, *, for_update: bool = False
    ) -> Mapping[str, str]:
        """Return the runs that have a place in a concurrency group, each with the name of its workspace."""
        if for_update and self._connection.dialect.name == "postgresql":
            # SQLite has one writer at a time anyway.
            lock = sa.func.pg_advisory_xact_lock(_PLACES, sa.func.hashtext(group))
            self._connection.execute(sa.select(lock))
        query = (
            sa.select(runs.c.id, workspaces.c.name)
            .select_from(_JOINED)
            .where(*_UNDER_WAY, _has_place(now), workspaces.c.concurrency_group == group)
        )
        return {row.id: row.name for row in self._connection.execute(query)}

    def workspaces_after(self, run: Run) -> Sequence[str]:
        """Return the workspaces with pending runs that wait for a run, or for one that it follows."""
        return workspaces_after(self._connection, run)

    def workspaces_after_any(self, workspace_id: str) -> Sequence[str]:
        """Return the workspaces with pending runs that wait for any run of another workspace."""
        return workspaces_after_any(self._connection, workspace_id)

    def awaited(self, workspace_ids: Iterable[str]) -> frozenset[str]:
        """Return those of the workspaces that have a run which a pending run of another one waits for."""
        return awaited_workspaces(self._connection, workspace_ids)

    def full_groups(self, now: datetime) -> frozenset[str]:
        """Return the concurrency groups that have no free place."""
        busy = sa.func.sum(sa.case((_has_place(now), 1), else_=0))
        query = (
            sa.select(workspaces.c.concurrency_group)
            .select_from(_JOINED)
            .where(*_UNDER_WAY, workspaces.c.concurrency_group != "")
            .group_by(workspaces.c.concurrency_group)
            .having(busy >= sa.func.min(workspaces.c.concurrency_limit))
        )
        return frozenset(self._connection.execute(query).scalars())


def _has_place(now: datetime | None) -> sa.ColumnElement[bool]:
    taken = sa.and_(leases.c.owner.is_not(None), leases.c.owner != "")
    return sa.or_(runs.c.status.in_(sorted(AT_WORK)), taken if now is None else _held(now))


def _held(now: datetime) -> sa.ColumnElement[bool]:
    return sa.and_(leases.c.owner.is_not(None), leases.c.owner != "", leases.c.expires_at > now)


def _waits(waiting: Waiting, now: datetime) -> sa.ColumnElement[bool]:
    conditions = [
        ~_held(now),
        runs.c.plan_only.is_(waiting.plan_only),
        # These start only when nothing waits, so nothing is started in their place either.
        runs.c.source.not_in(sorted(IN_BACKGROUND)),
        runs.c.status.in_(sorted(waiting.statuses)),
    ]
    if waiting.without:
        conditions.append(workspaces.c.concurrency_group.not_in(sorted(waiting.without)))
    if waiting.pool is not None:
        conditions.append(workspaces.c.pool == waiting.pool)
    if waiting.group:
        conditions.append(workspaces.c.concurrency_group == waiting.group)
    return sa.and_(*conditions)


_UNDER_WAY = (
    runs.c.status.in_(sorted(UNDER_WAY)),
    # Redundant, but lets the small index of unfinished runs be used.
    sa.literal_column(f"runs.{UNFINISHED.text}", sa.Boolean()),
)
