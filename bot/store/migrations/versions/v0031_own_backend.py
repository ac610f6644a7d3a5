"""Workspaces that keep their state themselves; what an approved plan was made of."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0031"
down_revision = "0022"

_HASHES = ("configuration", "files", "providers")


def upgrade() -> None:
    """Add the columns, empty for what is there: such an approval knows nothing of what it was made of."""
    with op.batch_alter_table("workspaces") as table:
        table.add_column(sa.Column("own_backend", sa.Boolean(), nullable=False, server_default=sa.false()))
    with op.batch_alter_table("workspaces") as table:
        table.alter_column("own_backend", server_default=None)
    with op.batch_alter_table("approvals") as table:
        for name in _HASHES:
            table.add_column(sa.Column(name, sa.Text(), nullable=False, server_default=""))
    with op.batch_alter_table("approvals") as table:
        for name in _HASHES:
            table.alter_column(name, server_default=None)
