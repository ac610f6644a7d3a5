"""The earlier preview whose plan a preview may reuse."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0042"
down_revision = "0041"


def upgrade() -> None:
    """Add the column. Runs from before reuse no plan of another preview."""
    with op.batch_alter_table("runs") as table:
        table.add_column(sa.Column("as_planned", sa.JSON()))
