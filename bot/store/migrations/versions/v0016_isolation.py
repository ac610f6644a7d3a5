"""How far a workspace's runs are shut in, as plangate.yml says; shut in as usual until it has been read."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"

_USUAL = '{"network": "filtered", "egress": [], "providers": [], "own_providers": false}'


def upgrade() -> None:
    """Add the column."""
    with op.batch_alter_table("workspaces") as table:
        table.add_column(sa.Column("isolation", sa.JSON(), nullable=False, server_default=_USUAL))
    with op.batch_alter_table("workspaces") as table:
        table.alter_column("isolation", server_default=None)
