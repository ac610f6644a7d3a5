"""Tokens that are good for some workspaces only."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0021"
down_revision = "0020"


def upgrade() -> None:
    """Add the column. Tokens that are there stay good for every workspace."""
    with op.batch_alter_table("tokens") as table:
        table.add_column(sa.Column("workspaces", sa.JSON(), nullable=False, server_default="[]"))
    with op.batch_alter_table("tokens") as table:
        table.alter_column("workspaces", server_default=None)
