"""The tables of notifications: events to tell, messages made of them, and each attempt to deliver one."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy import Column, ForeignKey, Index, Table

from bot.store.schema.columns import Counter, Json, Moment, Words
from bot.store.schema.naming import metadata

notifications = Table(
    "notifications",
    metadata,
    Column("id", Words, primary_key=True),
    Column("destination", Words, nullable=False),
    Column("topic", Words, nullable=False),
    Column("message", Json, nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("state", Words, nullable=False),
    Column("attempts", sa.Integer, nullable=False),
    Column("next_at", Moment),
    Column("error", Words, nullable=False),
    Index("ix_notifications_created", "created_at"),
    Index(
        "ix_notifications_due",
        "destination",
        "next_at",
        sqlite_where=sa.text("next_at IS NOT NULL"),
        postgresql_where=sa.text("next_at IS NOT NULL"),
    ),
)

notices = Table(
    "notices",
    metadata,
    Column("position", Counter, primary_key=True),
    Column("key", Words, nullable=False, unique=True),
    Column("destination", Words, nullable=False),
    Column("topic", Words, nullable=False),
    Column("trigger", Words, nullable=False),
    Column("workspace_id", Words, nullable=False),
    Column("run_id", Words, nullable=False),
    Column("at", Moment, nullable=False),
    Column("due_at", Moment, nullable=False),
    Column("detail", Words, nullable=False),
    # The message that tells of it. None while there is none.
    Column("notification_id", Words, ForeignKey("notifications.id")),
    Index("ix_notices_notification", "notification_id"),
    Index(
        "ix_notices_waiting",
        "destination",
        "due_at",
        sqlite_where=sa.text("notification_id IS NULL"),
        postgresql_where=sa.text("notification_id IS NULL"),
    ),
)

notification_attempts = Table(
    "notification_attempts",
    metadata,
    Column("position", Counter, primary_key=True),
    Column("notification_id", Words, ForeignKey("notifications.id"), nullable=False),
    Column("at", Moment, nullable=False),
    Column("ok", sa.Boolean, nullable=False),
    Column("answer", Words, nullable=False),
    Index("ix_notification_attempts_notification", "notification_id"),
)
