"""Runs that save their plan, that apply plans without changes, and the program that created a run."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0062"
down_revision = "0061"


def upgrade() -> None:
    """Add the columns. No run from before saves its plan."""
    op.add_column("runs", sa.Column("save_plan", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.add_column(
        "runs", sa.Column("allow_empty_apply", sa.Boolean(), nullable=False, server_default=sa.false())
    )
    op.add_column("runs", sa.Column("client", sa.Text(), nullable=False, server_default=""))
