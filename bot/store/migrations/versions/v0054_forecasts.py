"""Forecasts of two changes, and which workspaces have none."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0054"
down_revision = "0053"


def upgrade() -> None:
    """Add the table, and the setting: a workspace from before has forecasts."""
    op.create_table(
        "forecasts",
        sa.Column("workspace_id", sa.Text(), sa.ForeignKey("workspaces.id"), primary_key=True),
        sa.Column("first", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("second", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("first_plan", sa.Text(), nullable=False),
        sa.Column("second_plan", sa.Text(), nullable=False),
        sa.Column("base", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("run_id", sa.Text(), nullable=False),
        sa.Column("result", sa.JSON()),
    )
    op.create_index("ix_forecasts_first_plan", "forecasts", ["first_plan"])
    op.create_index("ix_forecasts_second_plan", "forecasts", ["second_plan"])
    op.create_index("ix_forecasts_run", "forecasts", ["run_id"])
    opened = sa.text("open")
    op.create_index(
        "ix_changes_open", "changes", ["forge", "repo_path"], sqlite_where=opened, postgresql_where=opened
    )
    with op.batch_alter_table("workspaces") as table:
        table.add_column(sa.Column("forecast", sa.Boolean(), nullable=False, server_default=sa.true()))
