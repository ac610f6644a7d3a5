"""Who was asked for a review of a change, and whether a workspace counts for its labels."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0056"
down_revision = "0055"


def upgrade() -> None:
    """Add the columns. For changes that are known already, nobody is known. There are no labels."""
    asked = sa.Column("asked", sa.JSON(), nullable=False, server_default=sa.text("'[]'"))
    op.add_column("changes", asked)
    op.add_column("workspaces", sa.Column("labels", sa.Boolean(), nullable=False, server_default=sa.false()))
