"""The tables of failed deliveries: how far each webhook's list is known, and what was asked for again."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy import Column, Index, Table

from bot.store.schema.columns import Moment, Words
from bot.store.schema.naming import metadata

# The path is empty for a webhook of all repositories.
hook_watches = Table(
    "hook_watches",
    metadata,
    Column("forge", Words, primary_key=True),
    Column("repo_path", Words, primary_key=True),
    Column("due_at", Moment, nullable=False),
    Column("checked_at", Moment, nullable=False),
    Column("listed_at", Moment),
    Column("mark", Words, nullable=False),
    Column("calls", sa.Integer, nullable=False),
    Column("error", Words, nullable=False),
    Column("refused", sa.Boolean, nullable=False),
    Column("begun_at", Moment),
)

# The same delivery id as in `deliveries`, once it has arrived. `arrived` outlives that row.
failed_deliveries = Table(
    "failed_deliveries",
    metadata,
    Column("forge", Words, primary_key=True),
    Column("id", Words, primary_key=True),
    Column("repo_path", Words, nullable=False),
    Column("attempt_id", Words, nullable=False),
    Column("event", Words, nullable=False),
    Column("failed_at", Moment, nullable=False),
    Column("due_at", Moment),
    Column("times", sa.Integer, nullable=False),
    Column("asked_at", Moment),
    Column("error", Words, nullable=False),
    Column("first_asked_at", Moment),
    Column("arrived", sa.Boolean, nullable=False, server_default=sa.false()),
    Index("ix_failed_deliveries_failed_at", "failed_at"),
)
