"""Which delivery still creates the previews of a change, a part at a time."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0059"
down_revision = "0058"


def upgrade() -> None:
    """Add the column. So far the previews of a change were created at once: none is incomplete."""
    op.add_column("changes", sa.Column("deciding", sa.Text(), nullable=False, server_default=""))
