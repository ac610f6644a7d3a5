"""The table of forecasts."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy import Column, ForeignKey, Index, Table

from bot.store.schema.columns import Json, Words
from bot.store.schema.naming import metadata

forecasts = Table(
    "forecasts",
    metadata,
    # A workspace has at most one for two changes.
    Column("workspace_id", Words, ForeignKey("workspaces.id"), primary_key=True),
    Column("first", sa.Integer, primary_key=True, autoincrement=False),
    Column("second", sa.Integer, primary_key=True, autoincrement=False),
    Column("first_plan", Words, nullable=False),
    Column("second_plan", Words, nullable=False),
    Column("base", Words, nullable=False),
    Column("state", Words, nullable=False),
    Column("run_id", Words, nullable=False),
    Column("result", Json),
    Index("ix_forecasts_first_plan", "first_plan"),
    Index("ix_forecasts_second_plan", "second_plan"),
    Index("ix_forecasts_run", "run_id"),
)
