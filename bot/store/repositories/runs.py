"""Runs, their queue, timeline, files and output in the database: the ports Runs and Artifacts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import sqlalchemy as sa

from bot.domain.errors import Conflict, NotFound
from bot.domain.runs import lifecycle
from bot.domain.runs.run import Run, RunEvent, RunSource
from bot.services.ports.runs import ArtifactKind, OutputEnd, RunQuery
from bot.services.ports.world import Vault
from bot.store.connection.failures import in_our_words
from bot.store.connection.in_parts import in_parts
from bot.store.connection.upserts import insert_or_update
from bot.store.repositories.awaited_runs import add_awaited, drop_awaited
from bot.store.repositories.run_rows import event_row, read_event, read_run, run_row
from bot.store.repositories.workspaces import SqlWorkspaces
from bot.store.schema.columns import keepable
from bot.store.schema.runs import UNFINISHED, artifacts, output, run_events, runs
from bot.store.schema.workspaces import workspaces

# The values that a run is created with, and its place in the queue, are never updated.
_FIXED = ("id", "workspace_id", "sequence", "source", "commit_sha", "created_by", "created_at", "save_plan")

# The most frequent statements are built once: building one costs as much as carrying it out.
_NOTE = sa.insert(run_events).inline()
_FILE = sa.select(artifacts.c.data).where(
    artifacts.c.run_id == sa.bindparam("of"), artifacts.c.kind == sa.bindparam("kind")
)
_OUTPUT = (output.c.run_id == sa.bindparam("of"), output.c.stage == sa.bindparam("stage"))
_OUTPUT_END = (
    sa.select(output.c.begin + output.c.length).where(*_OUTPUT).order_by(output.c.begin.desc()).limit(1)
)
_OUTPUT_FROM = (
    sa.select(output.c.begin, output.c.text, output.c.data)
    .where(
        *_OUTPUT,
        output.c.begin
        >= sa.select(sa.func.max(output.c.begin))
        .where(*_OUTPUT, output.c.begin <= sa.bindparam("offset"))
        .scalar_subquery(),
        output.c.begin < sa.bindparam("end"),
    )
    .order_by(output.c.begin)
)
# No piece of an output begins here or later.
_NEVER = 2**31 - 1
_GET = sa.select(runs).where(runs.c.id == sa.bindparam("of"))
_SAVE = (
    sa.update(runs)
    .where(runs.c.id == sa.bindparam("of"), runs.c.version == sa.bindparam("stood"))
    .values({column: sa.bindparam(column.name) for column in runs.c if column.name not in _FIXED})
)


class SqlRuns:
    """Runs of one transaction."""

    def __init__(self, connection: sa.Connection, places: SqlWorkspaces) -> None:
        self._connection = connection
        self._places = places

    def add(self, run: Run, event: RunEvent) -> Run:
        """Insert a run at the end of its workspace's queue, and return it with its sequence.

        Raises NotFound without the workspace; Conflict if a push of the same commit has made a run there
        already, or if the run would hold a workspace that another holds. The transaction stays usable.
        """
        try:
            with self._attempt():
                # The count locks the workspace's row until this transaction ends, so each sequence is unique.
                run = replace(run, sequence=self._places.next_sequence(run.workspace_id))
                self._connection.execute(sa.insert(runs).inline(), run_row(run))
                self.note(event)
                add_awaited(self._connection, run)
        except Exception:
            self._places.forget(run.workspace_id)
            raise
        return run

    def add_all(self, new: Sequence[tuple[Run, RunEvent]]) -> Sequence[Run]:
        """Insert runs of different workspaces as `add` does, in a few statements for all. All or none."""
        ids = [run.workspace_id for run, _ in new]
        try:
            with self._attempt():
                sequences = self._places.next_sequences(ids)
                added = [replace(run, sequence=sequences[run.workspace_id]) for run, _ in new]
                self._connection.execute(sa.insert(runs).inline(), [run_row(run) for run in added])
                self._connection.execute(
                    sa.insert(run_events).inline(), [event_row(event) for _, event in new]
                )
                for run in added:
                    add_awaited(self._connection, run)
        except Exception:
            for workspace_id in ids:
                self._places.forget(workspace_id)
            raise
        return added

    def get(self, run_id: str) -> Run:
        """Return a run. Raises NotFound."""
        row = self._connection.execute(_GET, {"of": run_id}).mappings().first()
        if row is None:
            raise NotFound(f"there is no run {run_id}")
        return read_run(row)

    def save(self, run: Run, event: RunEvent | None = None) -> Run:
        """Update a run and its timeline; return it with its new version.

        Raises Conflict if the row's version is not the run's, or if the run would hold a workspace that
        another holds; NotFound without the run. The transaction goes on after each.
        """
        saved = replace(run, version=run.version + 1)
        values = {column: value for column, value in run_row(saved).items() if column not in _FIXED}
        with self._attempt():
            if not self._connection.execute(_SAVE, {**values, "of": run.id, "stood": run.version}).rowcount:
                stands = self.get(run.id)
                raise Conflict(f"{run.id} was changed meanwhile and is {stands.status.value} now")
            if event is not None:
                self.note(event)
            drop_awaited(self._connection, saved)
        return saved

    def find(self, query: RunQuery) -> Sequence[Run]:
        """Return the runs that match, newest first."""
        statement = _joined(sa.select(runs), query)
        statement = (
            statement.order_by(runs.c.created_at.desc(), runs.c.sequence.desc(), runs.c.id.desc())
            .limit(query.limit)
            .offset(query.offset)
        )
        return [read_run(row) for row in self._connection.execute(statement).mappings()]

    def count(self, query: RunQuery) -> int:
        """Return how many runs match, whatever the query's limit."""
        statement = _joined(sa.select(sa.func.count()).select_from(runs), query)
        return int(self._connection.execute(statement).scalar_one())

    def latest(self, workspace_ids: Iterable[str]) -> Mapping[str, Run]:
        """Return the newest run that may apply of each workspace that has one."""
        found = {}
        for part in in_parts(workspace_ids):
            last = (
                sa.select(runs.c.workspace_id, sa.func.max(runs.c.sequence).label("sequence"))
                .where(runs.c.workspace_id.in_(part), ~runs.c.plan_only)
                .group_by(runs.c.workspace_id)
                .subquery()
            )
            same = sa.and_(runs.c.workspace_id == last.c.workspace_id, runs.c.sequence == last.c.sequence)
            for row in self._connection.execute(sa.select(runs).join(last, same)).mappings():
                found[row["workspace_id"]] = read_run(row)
        return found

    def queue(self, workspace_id: str) -> Sequence[Run]:
        """Return the unfinished runs that may apply, in the order of the queue; a holder comes first."""
        waits = runs.c.status == lifecycle.RunStatus.PENDING.value
        statement = (
            sa.select(runs)
            .where(runs.c.workspace_id == workspace_id, ~runs.c.plan_only, UNFINISHED)
            .order_by(sa.case((waits, 1), else_=0), runs.c.sequence)
        )
        return [read_run(row) for row in self._connection.execute(statement).mappings()]

    def queues(self, workspace_ids: Iterable[str]) -> Mapping[str, Sequence[Run]]:
        """Return the queue of each workspace that has one."""
        waits = runs.c.status == lifecycle.RunStatus.PENDING.value
        found: dict[str, list[Run]] = {}
        for part in in_parts(workspace_ids):
            statement = (
                sa.select(runs)
                .where(runs.c.workspace_id.in_(part), ~runs.c.plan_only, UNFINISHED)
                .order_by(sa.case((waits, 1), else_=0), runs.c.sequence)
            )
            for row in self._connection.execute(statement).mappings():
                found.setdefault(row["workspace_id"], []).append(read_run(row))
        return found

    def timeline(self, run_id: str) -> Sequence[RunEvent]:
        """Return the run's events, oldest first."""
        statement = sa.select(run_events).where(run_events.c.run_id == run_id).order_by(run_events.c.position)
        return [read_event(row) for row in self._connection.execute(statement).mappings()]

    def timelines(self, run_ids: Iterable[str]) -> Mapping[str, Sequence[RunEvent]]:
        """Return the events of each run that has any, oldest first."""
        found: dict[str, list[RunEvent]] = {}
        for part in in_parts(run_ids):
            statement = (
                sa.select(run_events).where(run_events.c.run_id.in_(part)).order_by(run_events.c.position)
            )
            for row in self._connection.execute(statement).mappings():
                found.setdefault(row["run_id"], []).append(read_event(row))
        return found

    def note(self, event: RunEvent) -> None:
        """Add a line to a run's timeline without changing the run."""
        self._connection.execute(_NOTE, event_row(event))

    @contextmanager
    def _attempt(self) -> Iterator[None]:
        """Do something that another may have been first at; PostgreSQL goes on only after a savepoint."""
        with in_our_words(), self._connection.begin_nested():
            yield


def _joined(statement: sa.Select[Any], query: RunQuery) -> sa.Select[Any]:
    """Add a query's conditions, and the workspaces if these are about them."""
    if query.repo is not None or query.active is not None:
        statement = statement.join(workspaces, runs.c.workspace_id == workspaces.c.id)
    return statement.where(*_conditions(query))


def _conditions(query: RunQuery) -> list[sa.ColumnElement[bool]]:
    """Return the conditions of a query; fields that are None don't matter."""
    conditions: list[sa.ColumnElement[bool]] = []
    if query.workspace_id is not None:
        conditions.append(runs.c.workspace_id == query.workspace_id)
    if query.workspace_ids is not None:
        places = (runs.c.workspace_id.in_(part) for part in in_parts(query.workspace_ids))
        conditions.append(sa.or_(sa.false(), *places))
    if query.repo is not None:
        conditions.append(workspaces.c.forge == query.repo.forge)
        conditions.append(workspaces.c.repo_path == query.repo.path)
    if query.active is not None:
        conditions.append(workspaces.c.active.is_(query.active))
    if query.commit is not None:
        conditions.append(runs.c.commit_sha == query.commit)
    if query.commits is not None:
        parts = (runs.c.commit_sha.in_(part) for part in in_parts(query.commits))
        conditions.append(sa.or_(sa.false(), *parts))
    if query.telling is not None:
        queued = runs.c.source == RunSource.QUEUE.value
        conditions.append(sa.or_(runs.c.commit_sha == query.telling, ~runs.c.plan_only, queued))
    if query.change_number is not None:
        conditions.append(runs.c.change_number == query.change_number)
    if query.since is not None:
        conditions.append(runs.c.sequence > query.since)
    if query.uploaded is not None:
        uploaded = runs.c.configuration_version != ""
        conditions.append(uploaded if query.uploaded else ~uploaded)
    if query.save_plan is not None:
        conditions.append(runs.c.save_plan.is_(query.save_plan))
    if query.plan_only is not None:
        conditions.append(runs.c.plan_only.is_(query.plan_only))
    if query.statuses is not None:
        statuses = sorted(str(status) for status in query.statuses)
        conditions.append(runs.c.status.in_(statuses))
        if not query.statuses & lifecycle.FINAL:
            # Redundant, but lets the sweep use the small index of unfinished runs.
            conditions.append(sa.literal_column(f"runs.{UNFINISHED.text}", sa.Boolean()))
    return conditions


class SqlArtifacts:
    """Files and output (masked before) of one transaction, encrypted by the vault (promise 6)."""

    def __init__(self, connection: sa.Connection, vault: Vault) -> None:
        self._connection = connection
        self._vault = vault

    def put(self, run_id: str, kind: ArtifactKind, data: bytes) -> None:
        """Store a file of a run, in place of an earlier one."""
        token = self._vault.encrypt(data)
        row = {"run_id": run_id, "kind": kind.value, "data": token}
        insert_or_update(self._connection, artifacts, ["run_id", "kind"], row, {"data": token})

    def put_all(self, kind: ArtifactKind, files: Mapping[str, bytes]) -> None:
        """Store a file of each of many new runs, by the runs' ids."""
        rows = [
            {"run_id": run_id, "kind": kind.value, "data": self._vault.encrypt(data)}
            for run_id, data in files.items()
        ]
        self._connection.execute(sa.insert(artifacts).inline(), rows)

    def get(self, run_id: str, kind: ArtifactKind) -> bytes | None:
        """Return a file of a run, None if there is none."""
        token = self._connection.execute(_FILE, {"of": run_id, "kind": kind.value}).scalar_one_or_none()
        return None if token is None else self._vault.decrypt(token)

    def of_runs(self, run_ids: Iterable[str], kind: ArtifactKind) -> Mapping[str, bytes]:
        """Return a file of each run that has it."""
        found = {}
        for part in in_parts(run_ids):
            query = sa.select(artifacts.c.run_id, artifacts.c.data).where(
                artifacts.c.run_id.in_(part), artifacts.c.kind == kind.value
            )
            for run_id, token in self._connection.execute(query):
                found[run_id] = self._vault.decrypt(token)
        return found

    def append_output(self, run_id: str, stage: str, text: str) -> None:
        """Append to the output of a stage as a new row: existing rows are never rewritten."""
        if not text:
            return
        last = self._connection.execute(_OUTPUT_END, {"of": run_id, "stage": stage}).scalar_one_or_none()
        row = {
            "run_id": run_id,
            "stage": stage,
            "begin": last or 0,
            "length": len(text),
            "line_ends": text.count("\n"),
            "text": "",
            "data": self._vault.encrypt(keepable(text).encode()),
        }
        self._connection.execute(sa.insert(output).inline(), row)

    def output(self, run_id: str, stage: str, offset: int = 0, most: int | None = None) -> str:
        """Return a stage's output from a character offset, at most so many; empty past its end."""
        end = _NEVER if most is None else min(offset + most, _NEVER)
        given = {"of": run_id, "stage": stage, "offset": offset, "end": end}
        rows = self._connection.execute(_OUTPUT_FROM, given).all()
        if not rows:
            return ""
        pieces = [text if data is None else self._vault.decrypt(data).decode() for _, text, data in rows]
        return "".join(pieces)[offset - rows[0].begin :][:most]

    def output_end(self, run_id: str, stage: str, lines: int) -> OutputEnd:
        """Return the end of a stage's output with so many lines, or a little more; all if it has fewer."""
        rows = self._connection.execute(
            sa.select(output.c.begin, output.c.line_ends)
            .where(output.c.run_id == run_id, output.c.stage == stage)
            .order_by(output.c.begin.desc())
        ).all()
        if any(row.line_ends is None for row in rows):
            return OutputEnd(0, 0, self.output(run_id, stage))
        begin, found = 0, 0
        for row in rows:
            begin, found = row.begin, found + row.line_ends
            if found >= lines:
                break
        before = sum(row.line_ends for row in rows if row.begin < begin)
        return OutputEnd(begin, before, self.output(run_id, stage, begin))

    def clear_output(self, run_id: str, stage: str) -> None:
        """Delete a stage's output, because the stage starts again."""
        self._connection.execute(sa.delete(output).where(output.c.run_id == run_id, output.c.stage == stage))
