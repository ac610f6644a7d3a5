"""Who was asked for a review of a change, so that its comment can say so."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0056"
down_revision = "0055"


def upgrade() -> None:
    """Add the column. For changes that are known already, nobody is known."""
    asked = sa.Column("asked", sa.JSON(), nullable=False, server_default=sa.text("'[]'"))
    op.add_column("changes", asked)
