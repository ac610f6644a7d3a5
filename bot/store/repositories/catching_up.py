"""How far each repository is known, in the database: the port RepoWatches."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import sqlalchemy as sa

from bot.domain.events import RepoRef
from bot.services.ports.catching_up import HandledHead, RepoWatch
from bot.store.connection.upserts import insert_or_update
from bot.store.schema.catching_up import handled_heads, repo_watches
from bot.store.schema.deliveries import deliveries

_KEY = ("forge", "repo_path")


class SqlRepoWatches:
    """Repositories that are watched, within one transaction."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def all(self) -> Sequence[RepoWatch]:
        """Return every repository's state."""
        return [_read(row) for row in self._connection.execute(sa.select(repo_watches)).mappings()]

    def get(self, repo: RepoRef) -> RepoWatch | None:
        """Return a repository's state, None before its first check."""
        row = self._connection.execute(sa.select(repo_watches).where(*_of(repo_watches, repo))).mappings()
        found = row.first()
        return _read(found) if found is not None else None

    def put(self, watch: RepoWatch) -> None:
        """Insert or update."""
        row = {
            "forge": watch.repo.forge,
            "repo_path": watch.repo.path,
            "due_at": watch.due_at,
            "checked_at": watch.checked_at,
            "since": watch.since,
            "marks": dict(watch.marks),
            "calls": watch.calls,
            "error": watch.error,
        }
        changed = {name: value for name, value in row.items() if name not in _KEY}
        insert_or_update(self._connection, repo_watches, _KEY, row, changed)

    def all_due(self, at: datetime) -> None:
        """Make every repository due."""
        later = repo_watches.c.due_at > at
        self._connection.execute(sa.update(repo_watches).where(later).values(due_at=at))

    def waits(self, repo: RepoRef, before: datetime) -> bool:
        """Whether a delivery of a repository from before then waits for its first attempt."""
        waits = sa.exists().where(
            deliveries.c.handled_at.is_(None),
            deliveries.c.received_at < before,
            deliveries.c.attempts == 0,
            deliveries.c.forge == repo.forge,
            deliveries.c.repo == repo.path,
        )
        return bool(self._connection.execute(sa.select(waits)).scalar_one())

    def head(self, repo: RepoRef, branch: str) -> HandledHead | None:
        """Return a branch's newest handled commit, None if none was handled."""
        query = sa.select(handled_heads.c.commit_sha, handled_heads.c.at).where(
            *_of(handled_heads, repo), handled_heads.c.branch == branch
        )
        found = self._connection.execute(query).first()
        return HandledHead(*found) if found is not None else None

    def moved(self, repo: RepoRef, branch: str, commit: str, at: datetime) -> None:
        """Store that a branch's commit was handled."""
        changed = {"commit_sha": commit, "at": at}
        row = {"forge": repo.forge, "repo_path": repo.path, "branch": branch, **changed}
        insert_or_update(self._connection, handled_heads, (*_KEY, "branch"), row, changed)


def _of(table: sa.Table, repo: RepoRef) -> tuple[sa.ColumnElement[bool], ...]:
    return table.c.forge == repo.forge, table.c.repo_path == repo.path


def _read(row: sa.RowMapping) -> RepoWatch:
    return RepoWatch(
        repo=RepoRef(row["forge"], row["repo_path"]),
        due_at=row["due_at"],
        checked_at=row["checked_at"],
        since=row["since"],
        marks=row["marks"],
        calls=row["calls"],
        error=row["error"],
    )
