"""Changes as last seen, in the database: the Changes port."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from bot.domain.errors import Conflict, NotFound
from bot.domain.events import Change, RepoRef
from bot.services.ports.changes import ChangeRecord, KnownApprovals, OpenChange
from bot.store.connection.upserts import insert_or_update
from bot.store.repositories.merges import merge_row, read_merge
from bot.store.schema.changes import changes

_KEY = ("forge", "repo_path", "number")


class SqlChanges:
    """Changes of one transaction."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection
        # What merges made, as read. A transaction that adds many runs of one commit asks for each.
        self._merged: dict[tuple[RepoRef, str], ChangeRecord | None] = {}
        self._ids: dict[tuple[RepoRef, int], str] = {}

    def put(self, record: ChangeRecord) -> ChangeRecord:
        """Insert or update by repository and number; an existing change keeps its id.

        Raises Conflict if the stored change is newer. Other writers of the same change wait.
        """
        self._merged.clear()
        row = _row(record)
        update = {column: value for column, value in row.items() if column not in (*_KEY, "id")}
        not_older = changes.c.seen_at <= record.seen_at
        if not insert_or_update(self._connection, changes, _KEY, row, update, where=not_older):
            raise Conflict(
                f"change {record.change.number} of {record.change.repo.path} was looked at meanwhile"
            )
        stands = self.numbered(record.change.repo, record.change.number)
        assert stands is not None, "it was written a moment ago in this transaction"
        return stands

    def keep_approvals(self, change_id: str, approvals: KnownApprovals) -> None:
        """Store what people have approved. See the port."""
        row = {
            "commit": approvals.commit,
            "base_branch": approvals.base_branch,
            "met": {each: list(met) for each, met in approvals.met.items()},
        }
        self._merged.clear()
        self._connection.execute(sa.update(changes).where(changes.c.id == change_id).values(approvals=row))

    def get(self, change_id: str) -> ChangeRecord:
        """Return a change. Raises NotFound."""
        row = self._connection.execute(sa.select(changes).where(changes.c.id == change_id)).mappings().first()
        if row is None:
            raise NotFound(f"there is no change {change_id}")
        return _read(row)

    def numbered(self, repo: RepoRef, number: int, *, for_update: bool = False) -> ChangeRecord | None:
        """Return a change by its number, None if it was never seen."""
        query = sa.select(changes).where(
            changes.c.forge == repo.forge, changes.c.repo_path == repo.path, changes.c.number == number
        )
        query = query.with_for_update() if for_update else query
        row = self._connection.execute(query).mappings().first()
        return None if row is None else _read(row)

    def id_of(self, repo: RepoRef, number: int) -> str | None:
        """Return the id of a change, None if it was never seen."""
        if (repo, number) not in self._ids:
            query = sa.select(changes.c.id).where(
                changes.c.forge == repo.forge, changes.c.repo_path == repo.path, changes.c.number == number
            )
            found = self._connection.execute(query).scalar_one_or_none()
            if found is None:
                return None
            self._ids[repo, number] = found
        return self._ids[repo, number]

    def decided_by(self, delivery_id: str) -> ChangeRecord | None:
        """Return the change whose previews a delivery still creates, None if there is none. Locks it."""
        query = sa.select(changes).where(changes.c.deciding == delivery_id).limit(1).with_for_update()
        row = self._connection.execute(query).mappings().first()
        return None if row is None else _read(row)

    def merged_as(self, repo: RepoRef, commit: str) -> ChangeRecord | None:
        """Return the change whose merge made a commit of the branch, None if none did."""
        if (repo, commit) not in self._merged:
            query = sa.select(changes).where(
                changes.c.forge == repo.forge,
                changes.c.repo_path == repo.path,
                changes.c.merged,
                changes.c.merge_sha == commit,
            )
            row = self._connection.execute(query.limit(1)).mappings().first()
            self._merged[repo, commit] = None if row is None or not commit else _read(row)
        return self._merged[repo, commit]

    def open_of(self, repo: RepoRef, limit: int | None, touching: str = "") -> Sequence[ChangeRecord]:
        """Return the open changes of a repository, the highest number first. See the port."""
        query = (
            sa.select(changes)
            .where(changes.c.forge == repo.forge, changes.c.repo_path == repo.path, changes.c.open)
            .order_by(changes.c.number.desc())
            .limit(limit)
        )
        if touching:
            ids = sa.cast(changes.c.workspace_ids, sa.Text)
            query = query.where(ids.contains(f'"{touching}"', autoescape=True))
        return [_read(row) for row in self._connection.execute(query).mappings()]

    def open_heads(self, repo: RepoRef) -> Sequence[OpenChange]:
        """Return all open changes of a repository, the highest number first."""
        query = (
            sa.select(changes.c.number, changes.c.head_sha, changes.c.workspace_ids)
            .where(changes.c.forge == repo.forge, changes.c.repo_path == repo.path, changes.c.open)
            .order_by(changes.c.number.desc())
        )
        rows = self._connection.execute(query)
        return [OpenChange(number, head, tuple(ids)) for number, head, ids in rows]


def _row(record: ChangeRecord) -> dict[str, Any]:
    change = record.change
    return {
        "id": record.id,
        "forge": change.repo.forge,
        "repo_path": change.repo.path,
        "number": change.number,
        "title": change.title,
        "author": change.author,
        "head_sha": change.head_sha,
        "head_branch": change.head_branch,
        "base_branch": change.base_branch,
        "from_fork": change.from_fork,
        "url": change.url,
        "open": change.open,
        "merged": change.merged,
        "draft": change.draft,
        "mergeable": change.mergeable,
        "default_branch": change.default_branch,
        "merge_sha": change.merge_sha,
        "asked": list(change.asked),
        "workspace_ids": list(record.workspace_ids),
        "seen_at": record.seen_at,
        "note": record.note,
        "reasons": [list(reason) for reason in record.reasons],
        "pushers": list(record.pushers),
        "head_at": record.head_at,
        "edited": record.edited,
        "merge": merge_row(record.merge),
        "deciding": record.deciding,
    }


def _read(row: sa.RowMapping) -> ChangeRecord:
    change = Change(
        repo=RepoRef(row["forge"], row["repo_path"]),
        number=row["number"],
        title=row["title"],
        author=row["author"],
        head_sha=row["head_sha"],
        head_branch=row["head_branch"],
        base_branch=row["base_branch"],
        from_fork=row["from_fork"],
        url=row["url"],
        open=row["open"],
        merged=row["merged"],
        draft=row["draft"],
        mergeable=row["mergeable"],
        default_branch=row["default_branch"],
        merge_sha=row["merge_sha"],
        asked=tuple(row["asked"]),
    )
    return ChangeRecord(
        row["id"],
        change,
        tuple(row["workspace_ids"]),
        row["seen_at"],
        row["note"],
        tuple((name, why) for name, why in row["reasons"]),
        tuple(row["pushers"]),
        row["head_at"],
        row["edited"],
        read_merge(row["merge"]),
        _read_approvals(row["approvals"]),
        row["deciding"],
    )


def _read_approvals(row: Any) -> KnownApprovals | None:
    if row is None:
        return None
    met = {each: tuple(entries) for each, entries in row["met"].items()}
    return KnownApprovals(row["commit"], row["base_branch"], met)
