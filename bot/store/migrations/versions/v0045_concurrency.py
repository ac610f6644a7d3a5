"""The group of a workspace, and how many of the group's runs are at work at once."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0045"
down_revision = "0043"


def upgrade() -> None:
    """Add the columns. Workspaces from before are in no group until plangate.yml is read again."""
    with op.batch_alter_table("workspaces") as table:
        table.add_column(sa.Column("concurrency_group", sa.Text(), nullable=False, server_default=""))
        table.add_column(
            sa.Column("concurrency_limit", sa.Integer(), nullable=False, server_default=sa.text("0"))
        )
