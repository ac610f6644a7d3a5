"""The order of workspaces: which of them one depends on, and which runs a run waits for."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0046"
down_revision = "0045"


def upgrade() -> None:
    """Add the columns. No workspace and no run from before waits for another."""
    for table_name, column in (("workspaces", "depends_on"), ("runs", "after")):
        with op.batch_alter_table(table_name) as table:
            table.add_column(sa.Column(column, sa.JSON(), nullable=False, server_default="[]"))
