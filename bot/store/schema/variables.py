"""The tables of variables and sets of them."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy import CheckConstraint, Column, ForeignKey, Table, UniqueConstraint

from bot.store.schema.columns import Json, Moment, Words
from bot.store.schema.naming import metadata

variable_sets = Table(
    "variable_sets",
    metadata,
    Column("id", Words, primary_key=True),
    Column("name", Words, nullable=False, unique=True),
    Column("everywhere", sa.Boolean, nullable=False),
    Column("workspaces", Json, nullable=False),
    Column("description", Words, nullable=False),
    Column("made_by", Words, nullable=False),
    Column("priority", sa.Boolean, nullable=False, server_default=sa.false()),
    Column("projects", Json, nullable=False, server_default=sa.text("'[]'")),
)

variables = Table(
    "variables",
    metadata,
    Column("id", Words, primary_key=True),
    # One of the two: a variable is a workspace's own or a set's.
    Column("workspace_id", Words, ForeignKey("workspaces.id")),
    Column("set_id", Words, ForeignKey("variable_sets.id", ondelete="CASCADE")),
    Column("category", Words, nullable=False),
    Column("key", Words, nullable=False),
    Column("value", sa.LargeBinary, nullable=False),
    Column("hcl", sa.Boolean, nullable=False),
    Column("sensitive", sa.Boolean, nullable=False),
    Column("description", Words, nullable=False),
    Column("phase", Words, nullable=False),
    Column("set_by", Words, nullable=False),
    Column("at", Moment, nullable=False),
    CheckConstraint("(workspace_id IS NULL) <> (set_id IS NULL)", name="owner"),
    UniqueConstraint("workspace_id", "category", "key", "phase"),
    UniqueConstraint("set_id", "category", "key", "phase"),
)
