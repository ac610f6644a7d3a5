"""Uploaded configurations, and workspaces that are made through the API."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0058"
down_revision = "0057"


def upgrade() -> None:
    """Add the tables and the columns. Workspaces and runs from before are of repositories."""
    op.create_table(
        "configuration_versions",
        sa.Column("id", sa.Text(), primary_key=True),
        sa.Column("workspace_id", sa.Text(), sa.ForeignKey("workspaces.id"), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("speculative", sa.Boolean(), nullable=False),
        sa.Column("provisional", sa.Boolean(), nullable=False),
        sa.Column("queues_run", sa.Boolean(), nullable=False),
        sa.Column("may_apply", sa.Boolean(), nullable=False),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("uploaded_at", sa.DateTime(timezone=True)),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("error", sa.Text(), nullable=False),
    )
    op.create_index(
        "ix_configuration_versions_workspace", "configuration_versions", ["workspace_id", "created_at"]
    )
    op.create_index("ix_configuration_versions_created_at", "configuration_versions", ["created_at"])
    op.create_table(
        "uploads",
        sa.Column(
            "configuration_version_id",
            sa.Text(),
            sa.ForeignKey("configuration_versions.id", ondelete="CASCADE"),
            primary_key=True,
        ),
        sa.Column("piece", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("data", sa.LargeBinary(), nullable=False),
    )
    op.add_column("runs", sa.Column("configuration_version", sa.Text(), nullable=False, server_default=""))
    op.add_column(
        "workspaces", sa.Column("made_by_api", sa.Boolean(), nullable=False, server_default=sa.false())
    )
    op.add_column("workspaces", sa.Column("about", sa.JSON(), nullable=False, server_default=sa.text("'{}'")))
