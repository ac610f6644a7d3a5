"""What deliveries are found by: their repository, whether a run came of them, the words of the reasons."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"

_AT_ONCE = 500


def upgrade() -> None:
    """Add the columns, and fill in what the decisions say. Of what came before, no repository is known."""
    columns: tuple[sa.Column[Any], ...] = (
        sa.Column("repo", sa.Text(), nullable=False, server_default=""),
        sa.Column("told", sa.Text(), nullable=False, server_default=""),
        sa.Column("made_run", sa.Boolean(), nullable=False, server_default=sa.false()),
    )
    with op.batch_alter_table("deliveries") as table:
        for column in columns:
            table.add_column(column)
    with op.batch_alter_table("deliveries") as table:
        for column in columns:
            table.alter_column(column.name, server_default=None)
    _fill()


def _fill() -> None:
    connection = op.get_bind()
    deliveries = sa.table(
        "deliveries",
        *(sa.column("id", sa.Text()), sa.column("decisions", sa.JSON())),
        *(sa.column("told", sa.Text()), sa.column("made_run", sa.Boolean())),
    )
    query = sa.select(deliveries.c.id, deliveries.c.decisions).order_by(deliveries.c.id).limit(_AT_ONCE)
    last = ""
    while rows := connection.execute(query.where(deliveries.c.id > last)).all():
        for delivery_id, decisions in rows:
            told = "\n".join(
                str(decision[name])
                for decision in decisions or ()
                for name in ("workspace", "outcome", "reason")
                if decision.get(name)
            )
            made_run = any(decision.get("run") for decision in decisions or ())
            connection.execute(
                sa.update(deliveries)
                .where(deliveries.c.id == delivery_id)
                .values(told=told, made_run=made_run)
            )
        last = rows[-1][0]
