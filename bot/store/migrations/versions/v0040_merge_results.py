"""What a change makes in its base: of each change and run, and whether a workspace plans that."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0040"
down_revision = "0039"


def upgrade() -> None:
    """Add the columns. Runs and changes from before have no merge: their plans are of the head."""
    with op.batch_alter_table("workspaces") as table:
        table.add_column(sa.Column("plan_of", sa.Text(), nullable=False, server_default="head"))
    for name in ("changes", "runs"):
        with op.batch_alter_table(name) as table:
            table.add_column(sa.Column("merge", sa.JSON()))
    with op.batch_alter_table("runs") as table:
        table.add_column(sa.Column("as_applied", sa.JSON()))
