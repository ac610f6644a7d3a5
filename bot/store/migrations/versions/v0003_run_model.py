"""What workspaces allow and follow, and one run for each commit, whether a branch or a tag brought it."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

# Frozen here as they were: a migration never follows later changes of the code.
_ALLOWED = '["refresh-only", "replace", "target"]'


def upgrade() -> None:
    """Add the columns, filled for workspaces that are there, and create the index again."""
    with op.batch_alter_table("workspaces") as table:
        for name, kind, filled in (
            ("allowed_modes", sa.JSON(), _ALLOWED),
            ("run_triggers", sa.JSON(), "[]"),
            ("auto_apply_run_triggers", sa.Boolean(), sa.false()),
        ):
            table.add_column(sa.Column(name, kind, nullable=False, server_default=filled))
    with op.batch_alter_table("workspaces") as table:
        for name in ("allowed_modes", "run_triggers", "auto_apply_run_triggers"):
            table.alter_column(name, server_default=None)
    op.drop_index("uq_runs_push", "runs")
    # Until now a tag and a push of one commit could each have made a run: the tag's counts as by hand.
    op.execute(
        "UPDATE runs SET source = 'manual' WHERE source = 'tag' AND EXISTS (SELECT 1 FROM runs AS other "
        "WHERE other.workspace_id = runs.workspace_id AND other.commit_sha = runs.commit_sha "
        "AND (other.source = 'push' OR (other.source = 'tag' AND other.sequence < runs.sequence)))"
    )
    op.create_index(
        "uq_runs_push",
        "runs",
        ["workspace_id", "commit_sha"],
        unique=True,
        sqlite_where=sa.text("source IN ('push', 'tag')"),
        postgresql_where=sa.text("source IN ('push', 'tag')"),
    )
