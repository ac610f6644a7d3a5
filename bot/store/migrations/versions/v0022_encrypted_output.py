"""Output is encrypted at rest. What is there stays readable, and `plangate keys rotate` encrypts it."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0022"
down_revision = "0021"


def upgrade() -> None:
    """Add the column: a migration has no keys, so rows that are there keep their text."""
    with op.batch_alter_table("output") as table:
        table.add_column(sa.Column("data", sa.LargeBinary()))
