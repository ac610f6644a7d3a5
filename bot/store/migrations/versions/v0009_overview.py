"""What the list of workspaces asks for each of them is found by an index."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"

_IN_EFFECT = sa.text(
    "plan_only IS FALSE AND (status = 'applied' OR status = 'planned_and_finished' AND has_changes IS FALSE)"
)


def upgrade() -> None:
    """Add the indexes."""
    op.create_index("ix_runs_latest", "runs", ["workspace_id", "plan_only", "sequence"])
    op.create_index(
        "ix_runs_in_effect",
        "runs",
        ["workspace_id", "sequence"],
        sqlite_where=_IN_EFFECT,
        postgresql_where=_IN_EFFECT,
    )
