"""Indexes by which pages find runs over all workspaces: by state, person, branch and change, newest first."""

from __future__ import annotations

from alembic import op

revision = "0052"
down_revision = "0050"


def upgrade() -> None:
    """Add the indexes."""
    op.create_index("ix_runs_status", "runs", ["status", "created_at"])
    op.create_index("ix_runs_created_by", "runs", ["created_by", "created_at"])
    op.create_index("ix_runs_confirmed_by", "runs", ["confirmed_by", "created_at"])
    op.create_index("ix_runs_branch", "runs", ["branch", "created_at"])
    op.create_index("ix_runs_change_number", "runs", ["change_number", "created_at"])
