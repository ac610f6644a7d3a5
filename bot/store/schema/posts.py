"""The tables of subjects, whose reports are derived, and of posts, which go to the forge."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy import Column, ForeignKey, Index, Table, UniqueConstraint

from bot.store.schema.columns import Counter, Json, Moment, Words
from bot.store.schema.naming import metadata

subjects = Table(
    "subjects",
    metadata,
    Column("subject", Words, primary_key=True),
    Column("due_mark", sa.Integer, nullable=False),
    Column("derived_mark", sa.Integer, nullable=False),
    # Since when the oldest mark waits that nothing was derived from yet.
    Column("due_at", Moment, nullable=False),
    Index(
        "ix_subjects_due",
        "due_at",
        sqlite_where=sa.text("due_mark > derived_mark"),
        postgresql_where=sa.text("due_mark > derived_mark"),
    ),
)

posts = Table(
    "posts",
    metadata,
    Column("position", Counter, primary_key=True),
    Column("subject", Words, ForeignKey("subjects.subject"), nullable=False),
    Column("forge", Words, nullable=False),
    Column("repo_path", Words, nullable=False),
    Column("key", Words, nullable=False),
    Column("payload", Json, nullable=False),
    Column("payload_hash", Words, nullable=False),
    Column("posted", Words, nullable=False),
    Column("remote_id", Words, nullable=False),
    Column("attempts", sa.Integer, nullable=False),
    Column("not_before", Moment),
    Column("gave_up", sa.Boolean, nullable=False),
    Column("error", Words, nullable=False),
    Column("shown", Json, nullable=False, server_default=sa.text("'{}'")),
    Column("text_hash", Words, nullable=False, server_default=""),
    Column("listed", Json, nullable=False, server_default=sa.text("'{}'")),
    Column("unsure_since", Moment),
    # Progress waits until then, so that edits are spaced. `not_before` is the forge's limit, or our patience.
    Column("edit_after", Moment),
    UniqueConstraint("forge", "repo_path", "key"),
    Index("ix_posts_subject", "subject"),
    Index(
        "ix_posts_undelivered",
        "not_before",
        sqlite_where=sa.text("payload_hash <> posted"),
        postgresql_where=sa.text("payload_hash <> posted"),
    ),
    Index(
        "ix_posts_unsure",
        "unsure_since",
        sqlite_where=sa.text("unsure_since IS NOT NULL"),
        postgresql_where=sa.text("unsure_since IS NOT NULL"),
    ),
)
