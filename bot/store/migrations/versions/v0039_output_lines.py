"""How many lines each piece of output has: a page finds the end of a long output without reading it all."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0039"
down_revision = "0038"


def upgrade() -> None:
    """Add the column; it stays empty for the output of earlier versions."""
    with op.batch_alter_table("output") as table:
        table.add_column(sa.Column("line_ends", sa.Integer))
