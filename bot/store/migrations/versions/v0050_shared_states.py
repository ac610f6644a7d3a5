"""Which workspaces may read a workspace's state, and which outputs of others it gets as variables."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0050"
down_revision = "0046"


def upgrade() -> None:
    """Add the columns. No workspace from before shares its state, or gets an output."""
    with op.batch_alter_table("workspaces") as table:
        for column in ("share_state_with", "inputs"):
            table.add_column(sa.Column(column, sa.JSON(), nullable=False, server_default="[]"))
