"""Which pool of workers runs a workspace."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0068"
down_revision = "0067"


def upgrade() -> None:
    """Add the column. A workspace from before belongs to no pool."""
    op.add_column("workspaces", sa.Column("pool", sa.Text(), nullable=False, server_default=""))
