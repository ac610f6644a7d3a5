"""States that were kept aside and become current by themselves once they can."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0035"
down_revision = "0034"


def upgrade() -> None:
    """Add the mark. No state that is there now has it: what was refused before stays refused."""
    with op.batch_alter_table("state_versions") as table:
        table.add_column(sa.Column("waits", sa.Boolean(), nullable=False, server_default=sa.false()))
    waiting = sa.text("waits")
    op.create_index(
        "ix_state_versions_waiting",
        "state_versions",
        ["position"],
        sqlite_where=waiting,
        postgresql_where=waiting,
    )
