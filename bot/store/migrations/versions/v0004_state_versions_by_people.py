"""Who made a version of a state, where no run did, and what of."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Add two columns, in place: the table holds every state, and may be large."""
    for name in ("made_by", "note"):
        op.add_column("state_versions", sa.Column(name, sa.Text(), nullable=False, server_default=""))
