"""When a comment or status may be edited again, apart from when the forge may be called again."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0038"
down_revision = "0037"


def upgrade() -> None:
    """Add the column."""
    with op.batch_alter_table("posts") as table:
        table.add_column(sa.Column("edit_after", sa.DateTime(timezone=True)))
