"""What people have approved of a change, as the forge last said; the project and team of a workspace."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0057"
down_revision = "0056"


def upgrade() -> None:
    """Add the columns. For changes that are known already, nothing is known."""
    op.add_column("changes", sa.Column("approvals", sa.JSON()))
    for name in ("project", "team"):
        op.add_column("workspaces", sa.Column(name, sa.Text(), nullable=False, server_default=""))
