"""Freezes: the windows of workspaces, until when a run waits for the end of one, and who ignored it."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0049"
down_revision = "0048"


def upgrade() -> None:
    """Add the columns. No workspace from before has a window, and no run waits for one."""
    with op.batch_alter_table("workspaces") as table:
        table.add_column(sa.Column("freeze", sa.JSON(), nullable=False, server_default="[]"))
    with op.batch_alter_table("runs") as table:
        table.add_column(sa.Column("frozen", sa.JSON()))
        table.add_column(sa.Column("freeze_ignored", sa.Text(), nullable=False, server_default=""))
