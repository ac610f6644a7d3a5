"""Failed deliveries: which have arrived, since when each is asked for, and when a long list was begun."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0043"
down_revision = "0042"


def upgrade() -> None:
    """Add the columns. What was asked for before counts as asked for once, at the last time."""
    with op.batch_alter_table("hook_watches") as table:
        table.add_column(sa.Column("begun_at", sa.DateTime(timezone=True)))
    with op.batch_alter_table("failed_deliveries") as table:
        table.add_column(sa.Column("first_asked_at", sa.DateTime(timezone=True)))
        table.add_column(sa.Column("arrived", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.execute("UPDATE failed_deliveries SET first_asked_at = asked_at")
