"""The table of results of run tasks."""

from __future__ import annotations

from sqlalchemy import Column, ForeignKey, Index, Table

from bot.store.schema.columns import Json, Moment, Words
from bot.store.schema.naming import metadata

task_results = Table(
    "task_results",
    metadata,
    Column("id", Words, primary_key=True),
    Column("run_id", Words, ForeignKey("runs.id", ondelete="CASCADE"), nullable=False),
    Column("stage", Words, nullable=False),
    Column("task", Words, nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("expires_at", Moment, nullable=False),
    Column("sent_at", Moment),
    Column("status", Words, nullable=False),
    Column("message", Words, nullable=False),
    Column("url", Words, nullable=False),
    Column("outcomes", Json, nullable=False),
    Index("ix_task_results_run", "run_id"),
)
