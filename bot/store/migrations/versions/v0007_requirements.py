"""What an apply needs in each workspace; and why a change runs in some workspaces and not in others."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """Add the columns, empty for what is there."""
    for name, column in (("workspaces", "require"), ("changes", "reasons")):
        with op.batch_alter_table(name) as table:
            table.add_column(sa.Column(column, sa.JSON(), nullable=False, server_default="[]"))
        with op.batch_alter_table(name) as table:
            table.alter_column(column, server_default=None)
