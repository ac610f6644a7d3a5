"""The table of approvals."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy import Column, ForeignKey, Index, Table

from bot.store.schema.columns import Json, Moment, Words
from bot.store.schema.naming import metadata

approvals = Table(
    "approvals",
    metadata,
    Column("id", Words, primary_key=True),
    Column("workspace_id", Words, ForeignKey("workspaces.id"), nullable=False),
    Column("change_number", sa.Integer),
    Column("commit_sha", Words, nullable=False),
    Column("digest", Words, nullable=False),
    # No references: approvals are kept longer than runs.
    Column("shown_run_id", Words, nullable=False),
    Column("run_id", Words, nullable=False),
    Column("approved_by", Words, nullable=False),
    Column("role", Words, nullable=False),
    Column("policy_versions", Json, nullable=False),
    Column("configuration", Words, nullable=False),
    Column("files", Words, nullable=False),
    Column("providers", Words, nullable=False),
    Column("at", Moment, nullable=False),
    Column("state", Words, nullable=False),
    Column("why", Words, nullable=False),
    Column("ended_at", Moment),
    Column("forge", Words),
    Column("uid", Words, nullable=False, server_default=""),
    Index("ix_approvals_run", "run_id"),
    Index("ix_approvals_change", "workspace_id", "change_number"),
)
