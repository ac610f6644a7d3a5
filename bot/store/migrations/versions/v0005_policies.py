"""Policies: what judged each run and what it said; tags by which sets choose their workspaces."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Add the tables, and the column, empty for workspaces that are there."""
    moment = sa.DateTime(timezone=True)
    with op.batch_alter_table("workspaces") as table:
        table.add_column(sa.Column("tags", sa.JSON(), nullable=False, server_default="[]"))
    with op.batch_alter_table("workspaces") as table:
        table.alter_column("tags", server_default=None)
    op.create_table(
        "policy_set_versions",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("set_name", sa.Text(), nullable=False),
        sa.Column("origin", sa.Text(), nullable=False),
        sa.Column("commit_sha", sa.Text(), nullable=False),
        sa.Column("seen_at", moment, nullable=False),
        sa.Column("files", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_policy_set_versions"),
    )
    op.create_index("ix_policy_set_versions_origin", "policy_set_versions", ["origin", "commit_sha"])
    op.create_table(
        "policy_checks",
        sa.Column("run_id", sa.Text(), nullable=False),
        sa.Column("position", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("version_id", sa.Text(), nullable=False),
        sa.Column("set_name", sa.Text(), nullable=False),
        sa.Column("policy", sa.Text(), nullable=False),
        sa.Column("level", sa.Text(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("messages", sa.JSON(), nullable=False),
        sa.Column("seconds", sa.Float(), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("file", sa.Text(), nullable=False),
        sa.Column("override_by", sa.Text()),
        sa.Column("override_reason", sa.Text()),
        sa.Column("override_at", moment),
        sa.ForeignKeyConstraint(["run_id"], ["runs.id"], name="fk_policy_checks_run_id", ondelete="CASCADE"),
        sa.ForeignKeyConstraint(
            ["version_id"], ["policy_set_versions.id"], name="fk_policy_checks_version_id"
        ),
        sa.PrimaryKeyConstraint("run_id", "position", name="pk_policy_checks"),
    )
