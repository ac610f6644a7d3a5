"""The tables of drift checks and of what they found."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy import Column, ForeignKey, Index, Table

from bot.store.schema.columns import Json, Moment, Words
from bot.store.schema.naming import metadata

OPEN = sa.text("ended_at IS NULL")

drift_checks = Table(
    "drift_checks",
    metadata,
    # A workspace has at most one.
    Column("workspace_id", Words, ForeignKey("workspaces.id"), primary_key=True),
    # The last time that was due and is taken care of.
    Column("due_at", Moment, nullable=False),
    Column("wanted", sa.Boolean, nullable=False),
    # Empty if none is under way.
    Column("run_id", Words, nullable=False),
    # The run whose configuration is checked.
    Column("basis", Words, nullable=False),
    Column("checked_at", Moment),
    Column("error", Words, nullable=False),
)

drifts = Table(
    "drifts",
    metadata,
    Column("id", Words, primary_key=True),
    Column("workspace_id", Words, ForeignKey("workspaces.id"), nullable=False),
    Column("began_at", Moment, nullable=False),
    Column("seen_at", Moment, nullable=False),
    Column("run_id", Words, nullable=False),
    Column("basis", Words, nullable=False),
    Column("resources", Json, nullable=False),
    Column("number", sa.Integer, nullable=False),
    Column("since", Json, nullable=False),
    Column("ended_at", Moment),
    Column("ended_by", Words, nullable=False),
    Index("ix_drifts_workspace", "workspace_id", "began_at"),
    # A workspace has at most one drift that has not ended.
    Index("ix_drifts_open", "workspace_id", unique=True, sqlite_where=OPEN, postgresql_where=OPEN),
)
