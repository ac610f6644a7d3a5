"""Approvals and their results; how workspaces merge; which commit a merge has made."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Add the table, and the columns with their defaults."""
    moment = sa.DateTime(timezone=True)
    columns = (
        ("apply_when", sa.Text(), "both"),
        ("keep_approval", sa.Boolean(), sa.false()),
        ("replan_siblings", sa.Boolean(), sa.true()),
        ("automerge", sa.Boolean(), sa.false()),
    )
    with op.batch_alter_table("workspaces") as table:
        for name, kind, filled in columns:
            table.add_column(sa.Column(name, kind, nullable=False, server_default=filled))
    with op.batch_alter_table("workspaces") as table:
        for name, _, _ in columns:
            table.alter_column(name, server_default=None)
    with op.batch_alter_table("changes") as table:
        table.add_column(sa.Column("merge_sha", sa.Text(), nullable=False, server_default=""))
    with op.batch_alter_table("changes") as table:
        table.alter_column("merge_sha", server_default=None)
    op.create_table(
        "approvals",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("workspace_id", sa.Text(), nullable=False),
        sa.Column("change_number", sa.Integer()),
        sa.Column("commit_sha", sa.Text(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("shown_run_id", sa.Text(), nullable=False),
        sa.Column("run_id", sa.Text(), nullable=False),
        sa.Column("approved_by", sa.Text(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("policy_versions", sa.JSON(), nullable=False),
        sa.Column("at", moment, nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("why", sa.Text(), nullable=False),
        sa.Column("ended_at", moment),
        sa.ForeignKeyConstraint(["workspace_id"], ["workspaces.id"], name="fk_approvals_workspace_id"),
        sa.PrimaryKeyConstraint("id", name="pk_approvals"),
    )
    op.create_index("ix_approvals_change", "approvals", ["workspace_id", "change_number"])
