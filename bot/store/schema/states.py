"""The tables of Terraform's states: each version, uploads that were announced, and Terraform's locks."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy import CheckConstraint, Column, ForeignKey, Index, Table

from bot.store.schema.columns import Counter, Moment, Words
from bot.store.schema.naming import metadata

state_versions = Table(
    "state_versions",
    metadata,
    Column("position", Counter, primary_key=True),
    Column("id", Words, nullable=False, unique=True),
    Column("workspace_id", Words, ForeignKey("workspaces.id"), nullable=False),
    Column("run_id", Words, ForeignKey("runs.id")),
    Column("serial", sa.BigInteger, nullable=False),
    Column("lineage", Words, nullable=False),
    Column("md5", Words, nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("size", sa.BigInteger, nullable=False),
    Column("refused", Words, nullable=False),
    Column("data", sa.LargeBinary, nullable=False),
    Column("made_by", Words, nullable=False, server_default=""),
    Column("note", Words, nullable=False, server_default=""),
    Column("waits", sa.Boolean, nullable=False, server_default=sa.false()),
    CheckConstraint("serial >= 0", name="serial"),
    Index("ix_state_versions_workspace", "workspace_id", "position"),
    Index(
        "ix_state_versions_waiting",
        "position",
        sqlite_where=sa.text("waits"),
        postgresql_where=sa.text("waits"),
    ),
)

state_locks = Table(
    "state_locks",
    metadata,
    Column("workspace_id", Words, ForeignKey("workspaces.id"), primary_key=True),
    Column("lock_id", Words, nullable=False),
    Column("run_id", Words, ForeignKey("runs.id")),
    Column("info", Words, nullable=False),
    Column("at", Moment, nullable=False),
)

state_uploads = Table(
    "state_uploads",
    metadata,
    Column("id", Words, primary_key=True),
    Column("workspace_id", Words, ForeignKey("workspaces.id"), nullable=False),
    Column("by", Words, nullable=False),
    Column("role", sa.Integer, nullable=False),
    Column("serial", sa.BigInteger, nullable=False),
    Column("lineage", Words, nullable=False),
    Column("md5", Words, nullable=False),
    Column("force", sa.Boolean, nullable=False),
    Column("locked_at", Moment, nullable=False),
    Column("created_at", Moment, nullable=False),
    Index("ix_state_uploads_workspace", "workspace_id"),
)
