"""The tables of deliveries (each webhook call, and what was decided) and of handled comments."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy import Column, Index, Table

from bot.store.schema.columns import Json, Moment, Words
from bot.store.schema.naming import metadata

deliveries = Table(
    "deliveries",
    metadata,
    # The forge's own id: jobs carry only this. A delivery is accepted once (promise 3).
    Column("id", Words, primary_key=True),
    Column("forge", Words, nullable=False),
    Column("event", Words, nullable=False),
    Column("headers", Json, nullable=False),
    Column("body", sa.LargeBinary, nullable=False),
    Column("meaning", sa.LargeBinary),
    Column("received_at", Moment, nullable=False),
    Column("handled_at", Moment),
    Column("decisions", Json, nullable=False),
    Column("error", Words, nullable=False),
    Column("attempts", sa.Integer, nullable=False),
    Column("repo", Words, nullable=False),
    Column("told", Words, nullable=False),
    Column("made_run", sa.Boolean, nullable=False),
    Index("ix_deliveries_received_at", "received_at"),
    Index(
        "ix_deliveries_due",
        "received_at",
        sqlite_where=sa.text("handled_at IS NULL"),
        postgresql_where=sa.text("handled_at IS NULL"),
    ),
)

# A comment is handled once, whatever delivery brings it (promise 3).
heard_comments = Table(
    "heard_comments",
    metadata,
    Column("forge", Words, primary_key=True),
    Column("repo_path", Words, primary_key=True),
    Column("comment_id", Words, primary_key=True),
    Column("at", Moment, nullable=False),
)
