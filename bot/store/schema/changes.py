"""The table of changes: pull requests and merge requests as the forge last described them."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy import Column, Index, Table, UniqueConstraint

from bot.store.schema.columns import Json, Moment, Words
from bot.store.schema.naming import metadata

changes = Table(
    "changes",
    metadata,
    Column("id", Words, primary_key=True),
    Column("forge", Words, nullable=False),
    Column("repo_path", Words, nullable=False),
    Column("number", sa.Integer, nullable=False),
    Column("title", Words, nullable=False),
    Column("author", Words, nullable=False),
    Column("head_sha", Words, nullable=False),
    Column("head_branch", Words, nullable=False),
    Column("base_branch", Words, nullable=False),
    Column("from_fork", sa.Boolean, nullable=False),
    Column("url", Words, nullable=False),
    Column("open", sa.Boolean, nullable=False),
    Column("merged", sa.Boolean, nullable=False),
    Column("draft", sa.Boolean, nullable=False),
    Column("mergeable", sa.Boolean),
    Column("default_branch", Words, nullable=False),
    Column("merge_sha", Words, nullable=False),
    Column("workspace_ids", Json, nullable=False),
    Column("seen_at", Moment, nullable=False),
    Column("note", Words, nullable=False),
    Column("reasons", Json, nullable=False),
    Column("pushers", Json, nullable=False, server_default=sa.text("'[]'")),
    Column("head_at", Moment),
    Column("edited", Words, nullable=False, server_default=""),
    Column("merge", Json),
    Column("asked", Json, nullable=False, server_default=sa.text("'[]'")),
    Column("approvals", Json),
    # Empty unless a delivery still creates its previews.
    Column("deciding", Words, nullable=False, server_default=""),
    UniqueConstraint("forge", "repo_path", "number"),
    Index(
        "ix_changes_open",
        "forge",
        "repo_path",
        sqlite_where=sa.text("open"),
        postgresql_where=sa.text("open"),
    ),
)
