"""The tables of catching up: how far each repository is known, and the handled commit of each branch."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy import Column, Table

from bot.store.schema.columns import Json, Moment, Words
from bot.store.schema.naming import metadata

repo_watches = Table(
    "repo_watches",
    metadata,
    Column("forge", Words, primary_key=True),
    Column("repo_path", Words, primary_key=True),
    Column("due_at", Moment, nullable=False),
    Column("checked_at", Moment, nullable=False),
    # By the forge's clock.
    Column("since", Moment),
    Column("marks", Json, nullable=False),
    Column("calls", sa.Integer, nullable=False),
    Column("error", Words, nullable=False),
)

handled_heads = Table(
    "handled_heads",
    metadata,
    Column("forge", Words, primary_key=True),
    Column("repo_path", Words, primary_key=True),
    Column("branch", Words, primary_key=True),
    Column("commit_sha", Words, nullable=False),
    Column("at", Moment, nullable=False),
)
