"""What should stand on the forges and what does, in the database: the Posts port (promise 4)."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa

from bot.domain.events import RepoRef
from bot.services.ports.traffic import Post
from bot.store.schema import posts, subjects
from bot.store.upserts import insert_once, insert_or_update

_LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)
# SQLite before 3.32 takes no more than 999 values in one statement.
_AT_ONCE = 200
# As the index of undelivered posts has it: a query must repeat it to use that index.
_NOT_STANDING = sa.text("payload_hash <> posted")


def payload_hash(payload: Mapping[str, str]) -> str:
    """Return the hash by which a payload is compared with what stands, hexadecimal."""
    return hashlib.sha256(json.dumps(dict(payload), sort_keys=True).encode()).hexdigest()


class SqlPosts:
    """Posts of one transaction."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def mark_due(self, at: datetime, *marked: str) -> None:
        """Remember that subjects must be reported; each waits since its first mark not derived from yet."""
        # In one order for everybody, so that two transactions never wait for each other.
        rows = [
            {"subject": each, "due_mark": 1, "derived_mark": 0, "due_at": at} for each in sorted({*marked})
        ]
        for start in range(0, len(rows), _AT_ONCE):
            self._mark(at, rows[start : start + _AT_ONCE])

    def _mark(self, at: datetime, rows: Sequence[Mapping[str, Any]]) -> None:
        waiting = subjects.c.due_mark > subjects.c.derived_mark
        insert_or_update(
            self._connection,
            subjects,
            ["subject"],
            rows,
            {
                "due_mark": subjects.c.due_mark + 1,
                "due_at": sa.case((waiting, subjects.c.due_at), else_=sa.bindparam("marked_at", at)),
            },
        )

    def due(self, now: datetime, limit: int) -> Sequence[str]:
        """Return the subjects with something to derive or to deliver at `now`, longest waiting first.

        A post that was never tried is due at once, one that failed at its `not_before`, one given up never.
        """
        since = sa.func.coalesce(posts.c.not_before, subjects.c.due_at)
        to_derive = sa.select(subjects.c.subject, subjects.c.due_at.label("since")).where(
            sa.text("due_mark > derived_mark")
        )
        to_deliver = (
            sa.select(posts.c.subject, since.label("since"))
            .join(subjects, subjects.c.subject == posts.c.subject)
            .where(
                _NOT_STANDING,
                ~posts.c.gave_up,
                sa.or_(posts.c.not_before.is_(None), posts.c.not_before <= now),
            )
        )
        both = sa.union_all(to_derive, to_deliver).subquery()
        query = (
            sa.select(both.c.subject)
            .group_by(both.c.subject)
            .order_by(sa.func.min(both.c.since), both.c.subject)
            .limit(limit)
        )
        return self._connection.execute(query).scalars().all()

    def due_mark(self, subject: str) -> int:
        """Return a number that grows with each `mark_due`; 0 where the subject was never marked."""
        query = sa.select(subjects.c.due_mark).where(subjects.c.subject == subject)
        return self._connection.execute(query).scalar_one_or_none() or 0

    def derived(self, subject: str, mark: int, posts: Sequence[Post]) -> None:
        """Keep what should stand as of a mark: insert or update by repository and key; what was posted stays.

        What was derived from an older mark than another derivation before it is dropped: it is out of date.
        """
        row = {"subject": subject, "due_mark": mark, "derived_mark": mark, "due_at": _LONG_AGO}
        if not insert_once(self._connection, subjects, ["subject"], row):
            statement = (
                sa.update(subjects)
                .where(subjects.c.subject == subject, subjects.c.derived_mark <= mark)
                .values(derived_mark=mark)
            )
            if not self._connection.execute(statement).rowcount:
                return
        kept = self._kept(subject)
        for post in posts:
            digest = payload_hash(post.payload)
            if kept.get((post.repo.forge, post.repo.path, post.key)) != digest:
                self._put(subject, post, digest)

    def _kept(self, subject: str) -> dict[tuple[str, str, str], str]:
        """The hash of each payload that the subject has."""
        query = sa.select(posts.c.forge, posts.c.repo_path, posts.c.key, posts.c.payload_hash)
        rows = self._connection.execute(query.where(posts.c.subject == subject))
        return {(forge, path, key): digest for forge, path, key, digest in rows}

    def undelivered(self, subject: str) -> Sequence[Post]:
        """Return the subject's posts whose payload is not what stands, whatever their `not_before`.

        Those given up are left out until their payload changes.
        """
        query = (
            sa.select(posts)
            .where(posts.c.subject == subject, _NOT_STANDING, ~posts.c.gave_up)
            .order_by(posts.c.position)
        )
        return [_read(row) for row in self._connection.execute(query).mappings()]

    def delivered(self, post: Post, remote_id: str, next_after: datetime | None = None) -> None:
        """Keep that this payload stands, and from when on another one may follow it.

        The post stays undelivered where it has another payload by now.
        """
        self._connection.execute(
            sa.update(posts)
            .where(*_same(post))
            .values(
                posted=payload_hash(post.payload),
                remote_id=remote_id,
                attempts=0,
                not_before=next_after,
                gave_up=False,
                error="",
            )
        )

    def failed(self, post: Post, error: str, not_before: datetime | None) -> None:
        """Keep why, and when to try again; None: never with this payload, trying again does not help."""
        tried = posts.c.payload_hash == payload_hash(post.payload)
        changes: dict[str, Any] = {
            "error": error,
            "attempts": sa.case((tried, posts.c.attempts + 1), else_=posts.c.attempts),
        }
        if not_before is None:
            changes["gave_up"] = sa.case((tried, sa.true()), else_=posts.c.gave_up)
        else:
            changes["not_before"] = not_before
        self._connection.execute(sa.update(posts).where(*_same(post)).values(**changes))

    def _put(self, subject: str, post: Post, digest: str) -> None:
        same = posts.c.payload_hash == digest
        row = {
            "subject": subject,
            "forge": post.repo.forge,
            "repo_path": post.repo.path,
            "key": post.key,
            "payload": dict(post.payload),
            "payload_hash": digest,
            "posted": post.posted,
            "remote_id": post.remote_id,
            "attempts": post.attempts,
            "not_before": post.not_before,
            "gave_up": False,
            "error": post.error,
        }
        # `not_before` stays with a new payload: it may be the forge's limit, which holds for any payload.
        update = {
            "subject": subject,
            "payload": dict(post.payload),
            "payload_hash": digest,
            "attempts": sa.case((same, posts.c.attempts), else_=0),
            "gave_up": sa.case((same, posts.c.gave_up), else_=sa.false()),
            "error": sa.case((same, posts.c.error), else_=""),
        }
        insert_or_update(self._connection, posts, ["forge", "repo_path", "key"], row, update)


def _same(post: Post) -> tuple[sa.ColumnElement[bool], ...]:
    return posts.c.forge == post.repo.forge, posts.c.repo_path == post.repo.path, posts.c.key == post.key


def _read(row: sa.RowMapping) -> Post:
    return Post(
        subject=row["subject"],
        repo=RepoRef(row["forge"], row["repo_path"]),
        key=row["key"],
        payload=row["payload"],
        posted=row["posted"],
        remote_id=row["remote_id"],
        attempts=row["attempts"],
        not_before=row["not_before"],
        error=row["error"],
    )
