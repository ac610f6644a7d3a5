"""The table of the database's own secret, which every derived key comes from."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy import Column, Table

from bot.store.schema.columns import Words
from bot.store.schema.naming import metadata

# The secret that every derived key comes from: it outlives each encryption key (see bot/vault.py).
roots = Table(
    "roots",
    metadata,
    Column("name", Words, primary_key=True),
    Column("data", sa.LargeBinary, nullable=False),
)
