"""The runs that pending runs of other workspaces wait for, so that finding those does not read every run."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision = "0055"
down_revision = "0054"

_AT_ONCE = 500


def upgrade() -> None:
    """Add the table, and fill it from the runs that wait now."""
    awaited = op.create_table(
        "awaited_runs",
        sa.Column("awaited_id", sa.Text(), sa.ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("run_id", sa.Text(), sa.ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("workspace_id", sa.Text(), sa.ForeignKey("workspaces.id"), nullable=False),
    )
    op.create_index("ix_awaited_runs_workspace", "awaited_runs", ["workspace_id"])
    op.create_index("ix_awaited_runs_run", "awaited_runs", ["run_id"])
    runs = sa.table("runs", sa.column("id"), sa.column("workspace_id"), sa.column("status"), _AFTER)
    connection = op.get_bind()
    pending = sa.select(runs.c.id, runs.c.after).where(runs.c.status == "pending")
    pairs = [(row.id, awaited_id) for row in connection.execute(pending) for awaited_id in row.after]
    for start in range(0, len(pairs), _AT_ONCE):
        part = pairs[start : start + _AT_ONCE]
        places = _places(connection, runs, [awaited_id for _, awaited_id in part])
        rows = [
            {"awaited_id": awaited_id, "run_id": run_id, "workspace_id": places[awaited_id]}
            for run_id, awaited_id in part
            if awaited_id in places
        ]
        if rows:
            connection.execute(sa.insert(awaited), rows)


_AFTER: sa.ColumnClause[Sequence[str]] = sa.column("after", sa.JSON())


def _places(connection: sa.Connection, runs: sa.TableClause, ids: Sequence[str]) -> dict[str, str]:
    query = sa.select(runs.c.id, runs.c.workspace_id).where(runs.c.id.in_(ids))
    return {row.id: row.workspace_id for row in connection.execute(query)}
