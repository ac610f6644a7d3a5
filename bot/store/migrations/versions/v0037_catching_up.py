"""Catching up: how far each repository is known, and the handled commit of each branch."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0037"
down_revision = "0036"


def upgrade() -> None:
    """Add the tables."""
    op.create_table(
        "repo_watches",
        sa.Column("forge", sa.Text(), primary_key=True),
        sa.Column("repo_path", sa.Text(), primary_key=True),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("checked_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("since", sa.DateTime(timezone=True)),
        sa.Column("marks", sa.JSON(), nullable=False),
        sa.Column("calls", sa.Integer(), nullable=False),
        sa.Column("error", sa.Text(), nullable=False),
    )
    op.create_table(
        "handled_heads",
        sa.Column("forge", sa.Text(), primary_key=True),
        sa.Column("repo_path", sa.Text(), primary_key=True),
        sa.Column("branch", sa.Text(), primary_key=True),
        sa.Column("commit_sha", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
    )
