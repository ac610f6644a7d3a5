"""The table of sessions. `schema` has it with all the others."""

from __future__ import annotations

from sqlalchemy import Column, Table

from bot.store.columns import Moment, Words
from bot.store.naming import metadata

sessions = Table(
    "sessions",
    metadata,
    # The hash of the id that the browser has: this table lets nobody in.
    Column("hash", Words, primary_key=True),
    Column("forge", Words, nullable=False),
    Column("login", Words, nullable=False),
    Column("uid", Words, nullable=False),
    Column("begun_at", Moment, nullable=False),
    Column("seen_at", Moment, nullable=False),
)
