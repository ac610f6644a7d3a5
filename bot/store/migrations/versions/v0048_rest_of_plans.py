"""Which run a retry goes on with: its apply failed half-way, and its approval covers the rest."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0048"
down_revision = "0046"


def upgrade() -> None:
    """Add the column. No retry from before goes on under an approval."""
    with op.batch_alter_table("runs") as table:
        table.add_column(sa.Column("rest_of", sa.JSON()))
