"""Notifications: events to tell, messages, and attempts to deliver them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0067"
down_revision = "0065"

_COUNTER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Add the tables. Old processes don't use them, and new ones need no old row."""
    op.create_table(
        "notifications",
        sa.Column("id", sa.Text(), primary_key=True),
        sa.Column("destination", sa.Text(), nullable=False),
        sa.Column("topic", sa.Text(), nullable=False),
        sa.Column("message", sa.JSON(), nullable=False),
        sa.Column("created_at", _MOMENT, nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("next_at", _MOMENT),
        sa.Column("error", sa.Text(), nullable=False),
    )
    op.create_index("ix_notifications_created", "notifications", ["created_at"])
    due = sa.text("next_at IS NOT NULL")
    op.create_index(
        "ix_notifications_due",
        "notifications",
        ["destination", "next_at"],
        sqlite_where=due,
        postgresql_where=due,
    )
    op.create_table(
        "notices",
        sa.Column("position", _COUNTER, primary_key=True),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("destination", sa.Text(), nullable=False),
        sa.Column("topic", sa.Text(), nullable=False),
        sa.Column("trigger", sa.Text(), nullable=False),
        sa.Column("workspace_id", sa.Text(), nullable=False),
        sa.Column("run_id", sa.Text(), nullable=False),
        sa.Column("at", _MOMENT, nullable=False),
        sa.Column("due_at", _MOMENT, nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("notification_id", sa.Text(), sa.ForeignKey("notifications.id")),
        sa.UniqueConstraint("key"),
    )
    op.create_index("ix_notices_notification", "notices", ["notification_id"])
    waiting = sa.text("notification_id IS NULL")
    op.create_index(
        "ix_notices_waiting",
        "notices",
        ["destination", "due_at"],
        sqlite_where=waiting,
        postgresql_where=waiting,
    )
    op.create_table(
        "notification_attempts",
        sa.Column("position", _COUNTER, primary_key=True),
        sa.Column("notification_id", sa.Text(), sa.ForeignKey("notifications.id"), nullable=False),
        sa.Column("at", _MOMENT, nullable=False),
        sa.Column("ok", sa.Boolean(), nullable=False),
        sa.Column("answer", sa.Text(), nullable=False),
    )
    op.create_index("ix_notification_attempts_notification", "notification_attempts", ["notification_id"])
