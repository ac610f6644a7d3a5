"""The evaluator of a policy check, and its number of messages if not all of them are kept."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0032"
down_revision = "0031"


def upgrade() -> None:
    """Add the columns, empty in existing rows."""
    with op.batch_alter_table("policy_checks") as table:
        table.add_column(sa.Column("evaluator", sa.Text(), nullable=False, server_default=""))
        table.add_column(sa.Column("message_count", sa.Integer(), nullable=False, server_default="0"))
    with op.batch_alter_table("policy_checks") as table:
        table.alter_column("evaluator", server_default=None)
        table.alter_column("message_count", server_default=None)
