"""The table of projects that were made through the API."""

from __future__ import annotations

from sqlalchemy import Column, Table

from bot.store.schema.columns import Moment, Words
from bot.store.schema.naming import metadata

projects = Table(
    "projects",
    metadata,
    Column("id", Words, primary_key=True),
    Column("name", Words, nullable=False, unique=True),
    Column("description", Words, nullable=False),
    Column("created_at", Moment, nullable=False),
)
