"""Drift checks, what they found, and when workspaces are checked."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0065"
down_revision = "0063"

_MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Add the tables, and the setting: a workspace from before is not checked."""
    op.create_table(
        "drift_checks",
        sa.Column("workspace_id", sa.Text(), sa.ForeignKey("workspaces.id"), primary_key=True),
        sa.Column("due_at", _MOMENT, nullable=False),
        sa.Column("wanted", sa.Boolean(), nullable=False),
        sa.Column("run_id", sa.Text(), nullable=False),
        sa.Column("basis", sa.Text(), nullable=False),
        sa.Column("checked_at", _MOMENT),
        sa.Column("error", sa.Text(), nullable=False),
    )
    op.create_table(
        "drifts",
        sa.Column("id", sa.Text(), primary_key=True),
        sa.Column("workspace_id", sa.Text(), sa.ForeignKey("workspaces.id"), nullable=False),
        sa.Column("began_at", _MOMENT, nullable=False),
        sa.Column("seen_at", _MOMENT, nullable=False),
        sa.Column("run_id", sa.Text(), nullable=False),
        sa.Column("basis", sa.Text(), nullable=False),
        sa.Column("resources", sa.JSON(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("since", sa.JSON(), nullable=False),
        sa.Column("ended_at", _MOMENT),
        sa.Column("ended_by", sa.Text(), nullable=False),
    )
    op.create_index("ix_drifts_workspace", "drifts", ["workspace_id", "began_at"])
    still = sa.text("ended_at IS NULL")
    op.create_index(
        "ix_drifts_open",
        "drifts",
        ["workspace_id"],
        unique=True,
        sqlite_where=still,
        postgresql_where=still,
    )
    with op.batch_alter_table("workspaces") as table:
        table.add_column(sa.Column("drift", sa.JSON(), nullable=False, server_default="{}"))
