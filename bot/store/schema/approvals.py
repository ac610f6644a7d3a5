"""The table of approvals. `schema` has it with all the others."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy import Column, ForeignKey, Index, Table

from bot.store.columns import Json, Moment, Words
from bot.store.naming import metadata

approvals = Table(
    "approvals",
    metadata,
    Column("id", Words, primary_key=True),
    Column("workspace_id", Words, ForeignKey("workspaces.id"), nullable=False),
    Column("change_number", sa.Integer),
    Column("commit_sha", Words, nullable=False),
    Column("digest", Words, nullable=False),
    # No references: who approved what is known for longer than the runs are kept.
    Column("shown_run_id", Words, nullable=False),
    Column("run_id", Words, nullable=False),
    Column("approved_by", Words, nullable=False),
    Column("role", Words, nullable=False),
    Column("policy_versions", Json, nullable=False),
    Column("at", Moment, nullable=False),
    Column("state", Words, nullable=False),
    Column("why", Words, nullable=False),
    Column("ended_at", Moment),
    Index("ix_approvals_change", "workspace_id", "change_number"),
)
