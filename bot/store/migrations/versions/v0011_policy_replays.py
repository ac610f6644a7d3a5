"""Changes of policy sets, tried on the plans of runs that there were."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    """Add the table."""
    moment = sa.DateTime(timezone=True)
    wanted = sa.text("state = 'wanted'")
    op.create_table(
        "policy_replays",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("change_id", sa.Text(), nullable=False),
        sa.Column("set_name", sa.Text(), nullable=False),
        sa.Column("commit_sha", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("asked_at", moment, nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("not_before", moment),
        sa.Column("why", sa.Text(), nullable=False),
        sa.Column("result", sa.JSON()),
        sa.ForeignKeyConstraint(["change_id"], ["changes.id"], name="fk_policy_replays_change_id"),
        sa.PrimaryKeyConstraint("id", name="pk_policy_replays"),
        sa.UniqueConstraint(
            "change_id", "set_name", "commit_sha", name="uq_policy_replays_change_id_set_name_commit_sha"
        ),
    )
    op.create_index(
        "ix_policy_replays_wanted",
        "policy_replays",
        ["asked_at"],
        sqlite_where=wanted,
        postgresql_where=wanted,
    )
