"""Runs, their queue and their timeline in the database: the Runs port."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

import sqlalchemy as sa

from bot.domain import lifecycle
from bot.domain.errors import Conflict, NotFound
from bot.domain.run import Run, RunEvent
from bot.services.ports.runs import RunQuery
from bot.store.failures import in_our_words
from bot.store.run_rows import event_row, read_event, read_run, run_row
from bot.store.schema import UNFINISHED, run_events, runs, workspaces

# What a run is fixed to at its creation, and its place in the queue, are never updated.
_FIXED = ("id", "workspace_id", "sequence", "source", "plan_only", "commit_sha", "created_by", "created_at")


class SqlRuns:
    """Runs of one transaction."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def add(self, run: Run, event: RunEvent) -> Run:
        """Insert a run at the end of its workspace's queue, and return it with its sequence.

        Raises NotFound without the workspace; Conflict where a push of the same commit has made a run there
        already, or where the run would hold a workspace that another holds. The transaction goes on then.
        """
        with self._attempt():
            # The count locks the workspace's row until this transaction ends, so no sequence is given twice.
            counted = self._connection.execute(
                sa.update(workspaces)
                .where(workspaces.c.id == run.workspace_id)
                .values(last_sequence=workspaces.c.last_sequence + 1)
            )
            if not counted.rowcount:
                raise NotFound(f"there is no workspace {run.workspace_id}")
            sequence = self._connection.execute(
                sa.select(workspaces.c.last_sequence).where(workspaces.c.id == run.workspace_id)
            ).scalar_one()
            run = replace(run, sequence=sequence)
            self._connection.execute(sa.insert(runs).values(**run_row(run)))
            self.note(event)
        return run

    def get(self, run_id: str) -> Run:
        """Return a run. Raises NotFound."""
        row = self._connection.execute(sa.select(runs).where(runs.c.id == run_id)).mappings().first()
        if row is None:
            raise NotFound(f"there is no run {run_id}")
        return read_run(row)

    def save(self, run: Run, event: RunEvent | None = None) -> Run:
        """Update a run and its timeline; return it with its new version.

        Raises Conflict where the row's version is not the run's, or where the run would hold a workspace that
        another holds; NotFound without the run. The transaction goes on after each.
        """
        saved = replace(run, version=run.version + 1)
        values = {column: value for column, value in run_row(saved).items() if column not in _FIXED}
        statement = sa.update(runs).where(runs.c.id == run.id, runs.c.version == run.version).values(**values)
        with self._attempt():
            if not self._connection.execute(statement).rowcount:
                stands = self.get(run.id)
                raise Conflict(f"{run.id} was changed meanwhile and is {stands.status.value} now")
            if event is not None:
                self.note(event)
        return saved

    def find(self, query: RunQuery) -> Sequence[Run]:
        """Return the runs that match, newest first."""
        statement = sa.select(runs).where(*_conditions(query))
        if query.repo is not None:
            statement = statement.join(workspaces, runs.c.workspace_id == workspaces.c.id)
        statement = (
            statement.order_by(runs.c.created_at.desc(), runs.c.sequence.desc(), runs.c.id.desc())
            .limit(query.limit)
            .offset(query.offset)
        )
        return [read_run(row) for row in self._connection.execute(statement).mappings()]

    def queue(self, workspace_id: str) -> Sequence[Run]:
        """Return the unfinished runs that may apply, in the order of the queue; a holder comes first."""
        waits = runs.c.status == lifecycle.RunStatus.PENDING.value
        statement = (
            sa.select(runs)
            .where(runs.c.workspace_id == workspace_id, ~runs.c.plan_only, UNFINISHED)
            .order_by(sa.case((waits, 1), else_=0), runs.c.sequence)
        )
        return [read_run(row) for row in self._connection.execute(statement).mappings()]

    def timeline(self, run_id: str) -> Sequence[RunEvent]:
        """Return the run's events, oldest first."""
        statement = sa.select(run_events).where(run_events.c.run_id == run_id).order_by(run_events.c.position)
        return [read_event(row) for row in self._connection.execute(statement).mappings()]

    def note(self, event: RunEvent) -> None:
        """Add a line to a run's timeline without changing the run."""
        self._connection.execute(sa.insert(run_events).values(**event_row(event)).inline())

    @contextmanager
    def _attempt(self) -> Iterator[None]:
        """Do something that another may have been first at; PostgreSQL goes on only after a savepoint."""
        with in_our_words(), self._connection.begin_nested():
            yield


def _conditions(query: RunQuery) -> list[sa.ColumnElement[bool]]:
    """The conditions of a query; what is None does not matter."""
    conditions: list[sa.ColumnElement[bool]] = []
    if query.workspace_id is not None:
        conditions.append(runs.c.workspace_id == query.workspace_id)
    if query.repo is not None:
        conditions.append(workspaces.c.forge == query.repo.forge)
        conditions.append(workspaces.c.repo_path == query.repo.path)
    if query.commit is not None:
        conditions.append(runs.c.commit_sha == query.commit)
    if query.change_number is not None:
        conditions.append(runs.c.change_number == query.change_number)
    if query.plan_only is not None:
        conditions.append(runs.c.plan_only.is_(query.plan_only))
    if query.statuses is not None:
        statuses = sorted(str(status) for status in query.statuses)
        conditions.append(runs.c.status.in_(statuses))
        if not query.statuses & lifecycle.FINAL:
            # Says nothing new, but lets the sweep use the small index of unfinished runs.
            conditions.append(sa.literal_column(f"runs.{UNFINISHED.text}", sa.Boolean()))
    return conditions
