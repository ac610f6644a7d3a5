"""The tables of uploaded configurations: what is known of each, and its bytes in pieces, encrypted."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy import Column, ForeignKey, Index, Table

from bot.store.schema.columns import Moment, Words
from bot.store.schema.naming import metadata

configuration_versions = Table(
    "configuration_versions",
    metadata,
    Column("id", Words, primary_key=True),
    Column("workspace_id", Words, ForeignKey("workspaces.id"), nullable=False),
    Column("status", Words, nullable=False),
    Column("source", Words, nullable=False),
    Column("speculative", sa.Boolean, nullable=False),
    Column("provisional", sa.Boolean, nullable=False),
    Column("queues_run", sa.Boolean, nullable=False),
    Column("may_apply", sa.Boolean, nullable=False),
    Column("created_by", Words, nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("uploaded_at", Moment),
    Column("size", sa.BigInteger, nullable=False),
    Column("error", Words, nullable=False),
    Index("ix_configuration_versions_workspace", "workspace_id", "created_at"),
    Index("ix_configuration_versions_created_at", "created_at"),
)

uploads = Table(
    "uploads",
    metadata,
    Column(
        "configuration_version_id",
        Words,
        ForeignKey("configuration_versions.id", ondelete="CASCADE"),
        primary_key=True,
    ),
    Column("piece", sa.Integer, primary_key=True, autoincrement=False),
    Column("data", sa.LargeBinary, nullable=False),
)
