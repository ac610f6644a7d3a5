"""The outbox of posts to the forges: wanted and delivered content, in the database (promise 4)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa

from bot.domain.events import RepoRef
from bot.domain.reports.posts import StatusPost
from bot.domain.reports.report import StatusReport, StatusState
from bot.services.ports.changes import DOUBTS_LAST, Post
from bot.store.connection.upserts import insert_once, insert_or_update
from bot.store.encoding.post_content import content_hash, decoded, encoded
from bot.store.schema.posts import posts, subjects

_LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)
# SQLite before 3.32 takes no more than 999 values in one statement.
_AT_ONCE = 200
_WAITING = (StatusState.PENDING.value, StatusState.RUNNING.value)
# As the index of undelivered posts has it: a query must repeat it to use that index.
_NOT_STANDING = sa.text("payload_hash <> posted")
# Built once: building a statement costs as much as carrying it out.
_DUE_MARK = sa.select(subjects.c.due_mark).where(subjects.c.subject == sa.bindparam("of"))
_KEPT = sa.select(posts.c.forge, posts.c.repo_path, posts.c.key, posts.c.payload_hash).where(
    posts.c.subject == sa.bindparam("of")
)
_UNDELIVERED = (
    sa.select(posts)
    .where(posts.c.subject == sa.bindparam("of"), _NOT_STANDING, ~posts.c.gave_up)
    .order_by(posts.c.position)
)


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
        """Return the subjects that have something to derive or deliver at `now`, longest waiting first.

        A failed post is due at its `not_before`, one that tells of progress at its `edit_after`, an abandoned
        one never.
        """
        since = sa.func.coalesce(posts.c.not_before, posts.c.edit_after, subjects.c.due_at)
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
                sa.or_(posts.c.edit_after.is_(None), posts.c.edit_after <= now),
            )
        )
        to_search = sa.select(posts.c.subject, posts.c.unsure_since.label("since")).where(
            posts.c.unsure_since <= now - DOUBTS_LAST, posts.c.remote_id != ""
        )
        both = sa.union_all(to_derive, to_deliver, to_search).subquery()
        query = (
            sa.select(both.c.subject)
            .group_by(both.c.subject)
            .order_by(sa.func.min(both.c.since), both.c.subject)
            .limit(limit)
        )
        return self._connection.execute(query).scalars().all()

    def due_mark(self, subject: str) -> int:
        """Return a number that grows with each `mark_due`; 0 if the subject was never marked."""
        return self._connection.execute(_DUE_MARK, {"of": subject}).scalar_one_or_none() or 0

    def derived(self, subject: str, mark: int, posts: Sequence[Post]) -> None:
        """Store the wanted posts as of a mark, by repository and key; the delivered content stays.

        Posts derived from an older mark than the stored ones are dropped, because they are outdated.
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
            digest = content_hash(post.content)
            if kept.get((post.repo.forge, post.repo.path, post.key)) != digest:
                self._upsert(subject, post, digest)

    def _kept(self, subject: str) -> dict[tuple[str, str, str], str]:
        """The hash of each payload that the subject has."""
        rows = self._connection.execute(_KEPT, {"of": subject})
        return {(forge, path, key): digest for forge, path, key, digest in rows}

    def undelivered(self, subject: str) -> Sequence[Post]:
        """Return the subject's undelivered posts, whatever they wait for.

        Abandoned posts are left out until their content changes.
        """
        return [_read(row) for row in self._connection.execute(_UNDELIVERED, {"of": subject}).mappings()]

    def delivered(self, post: Post, remote_id: str, next_after: datetime | None = None) -> None:
        """Record that this content was delivered, and when the next one that tells of progress may follow.

        The post stays undelivered if its content has changed since.
        """
        self._connection.execute(
            sa.update(posts)
            .where(*_same(post))
            .values(
                posted=content_hash(post.content),
                remote_id=remote_id,
                attempts=0,
                not_before=None,
                edit_after=next_after,
                gave_up=False,
                error="",
            )
        )

    def failed(self, post: Post, error: str, not_before: datetime | None) -> None:
        """Record the error, and when to retry; None: never with this content."""
        tried = posts.c.payload_hash == content_hash(post.content)
        changes: dict[str, Any] = {
            "error": error,
            "attempts": sa.case((tried, posts.c.attempts + 1), else_=posts.c.attempts),
        }
        if not_before is None:
            changes["gave_up"] = sa.case((tried, sa.true()), else_=posts.c.gave_up)
        else:
            changes["not_before"] = not_before
        self._connection.execute(sa.update(posts).where(*_same(post)).values(**changes))

    def _upsert(self, subject: str, post: Post, digest: str) -> None:
        same = posts.c.payload_hash == digest
        row = {
            "subject": subject,
            "forge": post.repo.forge,
            "repo_path": post.repo.path,
            "key": post.key,
            "payload": encoded(post.content),
            "payload_hash": digest,
            "posted": post.posted,
            "remote_id": post.remote_id,
            "attempts": post.attempts,
            "not_before": post.not_before,
            "gave_up": False,
            "error": post.error,
            "shown": {},
            "text_hash": "",
            "listed": {},
            "unsure_since": post.unsure_since,
            "edit_after": post.edit_after,
        }
        # `not_before` stays with a new payload: it may be the forge's limit, which holds for any payload.
        update = {
            "subject": subject,
            "payload": encoded(post.content),
            "payload_hash": digest,
            "attempts": sa.case((same, posts.c.attempts), else_=0),
            "gave_up": sa.case((same, posts.c.gave_up), else_=sa.false()),
            "error": sa.case((same, posts.c.error), else_=""),
            # The last word waits for nothing but the forge.
            **({} if post.progress else {"edit_after": None}),
        }
        insert_or_update(self._connection, posts, ["forge", "repo_path", "key"], row, update)


class SqlShown:
    """The plans that comments show, within one transaction."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def unsettled(self, subject: str) -> Sequence[StatusReport]:
        """Return the subject's commit statuses that are pending or running, on any commit, oldest first."""
        waits = posts.c.payload["state"].as_string().in_(_WAITING)
        query = (
            sa.select(posts.c.payload)
            .where(posts.c.subject == subject, posts.c.key.like("status:%"), waits)
            .order_by(posts.c.position)
        )
        contents = map(decoded, self._connection.execute(query).scalars())
        return [content.status for content in contents if isinstance(content, StatusPost)]

    def comment_names(self, subject: str, prefix: str) -> Sequence[str]:
        """Return the names of the subject's comments that begin so."""
        query = sa.select(posts.c.key).where(
            posts.c.subject == subject, posts.c.key.like(f"comment:%:{prefix}%")
        )
        keys = self._connection.execute(query).scalars()
        return [key.split(":", 2)[2] for key in keys]

    def unsure(self, post: Post, since: datetime | None) -> None:
        """Store that a comment is being written, before the forge is asked; None: its answer is known."""
        self._connection.execute(sa.update(posts).where(*_same(post)).values(unsure_since=since))

    def doubtful(self, subject: str, before: datetime) -> Sequence[Post]:
        """Return the delivered comments that may be doubled, by a call from before that time."""
        query = sa.select(posts).where(
            posts.c.subject == subject, posts.c.unsure_since <= before, posts.c.remote_id != ""
        )
        return [_read(row) for row in self._connection.execute(query).mappings()]

    def keep(
        self, post: Post, shown: Mapping[str, datetime], listed: Mapping[str, datetime], text_hash: str
    ) -> None:
        """Store which plans a comment shows or lists, since when, and the hash of its text on the forge."""
        values = {"shown": _times(shown), "listed": _times(listed), "text_hash": text_hash}
        self._connection.execute(sa.update(posts).where(*_same(post)).values(**values))

    def get(self, repo: RepoRef, key: str) -> Post | None:
        """Return a post, None if it is unknown."""
        query = sa.select(posts).where(
            posts.c.forge == repo.forge, posts.c.repo_path == repo.path, posts.c.key == key
        )
        row = self._connection.execute(query).mappings().first()
        return None if row is None else _read(row)

    def written_as(self, repo: RepoRef, comment_id: str) -> Post | None:
        """Return the post that we wrote as this comment. None if we did not write it."""
        query = sa.select(posts).where(
            posts.c.forge == repo.forge,
            posts.c.repo_path == repo.path,
            posts.c.key.like("comment:%"),
            posts.c.remote_id == comment_id,
        )
        row = self._connection.execute(query).mappings().first()
        return None if row is None or not comment_id else _read(row)

    def disturbed(self, post: Post) -> None:
        """Store that a comment no longer has our text: it shows nothing, and has to be written again."""
        changes: dict[str, Any] = {
            "posted": "",
            "shown": {},
            "listed": {},
            "text_hash": "",
            "not_before": None,
            "edit_after": None,
            "gave_up": False,
            "attempts": 0,
        }
        self._connection.execute(sa.update(posts).where(*_same(post)).values(**changes))


def _same(post: Post) -> tuple[sa.ColumnElement[bool], ...]:
    return posts.c.forge == post.repo.forge, posts.c.repo_path == post.repo.path, posts.c.key == post.key


def _read(row: sa.RowMapping) -> Post:
    return Post(
        subject=row["subject"],
        repo=RepoRef(row["forge"], row["repo_path"]),
        key=row["key"],
        content=decoded(row["payload"]),
        posted=row["posted"],
        remote_id=row["remote_id"],
        attempts=row["attempts"],
        not_before=row["not_before"],
        error=row["error"],
        shown=_read_times(row["shown"]),
        text_hash=row["text_hash"],
        listed=_read_times(row["listed"]),
        unsure_since=row["unsure_since"],
        edit_after=row["edit_after"],
    )


def _times(times: Mapping[str, datetime]) -> dict[str, str]:
    return {run_id: at.isoformat() for run_id, at in times.items()}


def _read_times(stored: Mapping[str, str]) -> dict[str, datetime]:
    return {run_id: datetime.fromisoformat(at) for run_id, at in stored.items()}
