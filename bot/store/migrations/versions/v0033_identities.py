"""Which repository and which account a name belonged to at first sight, by the forge's own numbers."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0033"
down_revision = "0032"


def upgrade() -> None:
    """Add the table. What is known already is bound when it is seen next."""
    op.create_table(
        "identities",
        sa.Column("kind", sa.Text(), primary_key=True),
        sa.Column("forge", sa.Text(), primary_key=True),
        sa.Column("name", sa.Text(), primary_key=True),
        sa.Column("uid", sa.Text(), nullable=False),
        sa.Column("doubted", sa.Text(), nullable=False),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=False),
    )
