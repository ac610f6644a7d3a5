"""The tables of resources: what the current state of each workspace has, without values."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy import Column, ForeignKey, Index, Table

from bot.store.schema.columns import Counter, Moment, Words
from bot.store.schema.naming import metadata

indexed_states = Table(
    "indexed_states",
    metadata,
    Column("workspace_id", Words, ForeignKey("workspaces.id", ondelete="CASCADE"), primary_key=True),
    # The position of the state version whose resources are indexed, and its id.
    Column("position", Counter, nullable=False),
    Column("version_id", Words, nullable=False),
    Column("terraform_version", Words, nullable=False),
    Column("readable", sa.Boolean, nullable=False),
)

resources = Table(
    "resources",
    metadata,
    Column("workspace_id", Words, ForeignKey("workspaces.id", ondelete="CASCADE"), primary_key=True),
    Column("address", Words, primary_key=True),
    Column("type", Words, nullable=False),
    Column("name", Words, nullable=False),
    Column("module", Words, nullable=False),
    Column("provider", Words, nullable=False),
    # Empty if it is not known.
    Column("provider_version", Words, nullable=False),
    Column("instances", sa.Integer, nullable=False),
    # A keyed hash of everything that the state records of it.
    Column("mark", Words, nullable=False),
    # The state version that changed it last, its run, and when. Empty if that is too long ago.
    Column("version_id", Words, nullable=False),
    Column("run_id", Words, nullable=False),
    Column("changed_at", Moment),
    Index("ix_resources_address", "address", "workspace_id"),
)
