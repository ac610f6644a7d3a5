"""The table of keys that sign identity tokens. `schema` has it with all the others."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy import Column, Table

from bot.store.schema.columns import Json, Moment, Words
from bot.store.schema.naming import metadata

identity_keys = Table(
    "identity_keys",
    metadata,
    Column("id", Words, primary_key=True),
    # Encrypted; gone once the key signs no more.
    Column("private", sa.LargeBinary),
    Column("public", Json, nullable=False),
    Column("used_from", Moment, nullable=False),
    Column("retired_at", Moment),
)
