"""Variable sets with priority, and for projects."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0061"
down_revision = "0060"


def upgrade() -> None:
    """Add the columns. Sets from before have no priority, and are for no project."""
    op.add_column(
        "variable_sets", sa.Column("priority", sa.Boolean(), nullable=False, server_default=sa.false())
    )
    op.add_column(
        "variable_sets", sa.Column("projects", sa.JSON(), nullable=False, server_default=sa.text("'[]'"))
    )
