"""What a run would have needed to go on by itself with an approval that was given elsewhere."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    """Add the column, empty for what is there."""
    with op.batch_alter_table("runs") as table:
        table.add_column(sa.Column("lacks", sa.Text(), nullable=False, server_default=""))
    with op.batch_alter_table("runs") as table:
        table.alter_column("lacks", server_default=None)
