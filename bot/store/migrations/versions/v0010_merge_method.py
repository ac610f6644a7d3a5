"""How a change is merged by itself; by a method that the repository allows if none is set."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    """Add the column, empty for what is there."""
    with op.batch_alter_table("workspaces") as table:
        table.add_column(sa.Column("merge_method", sa.Text(), nullable=False, server_default=""))
    with op.batch_alter_table("workspaces") as table:
        table.alter_column("merge_method", server_default=None)
