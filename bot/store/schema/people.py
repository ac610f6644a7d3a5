"""The tables of sessions and of tokens. `schema` has them with all the others."""

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

tokens = Table(
    "tokens",
    metadata,
    Column("id", Words, primary_key=True),
    # The hash of the secret that the person's program has.
    Column("hash", Words, nullable=False, unique=True),
    Column("forge", Words, nullable=False),
    Column("login", Words, nullable=False),
    Column("uid", Words, nullable=False),
    Column("name", Words, nullable=False),
    Column("scope", Words, nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("expires_at", Moment, nullable=False),
    Column("used_at", Moment),
    Column("revoked_at", Moment),
)
