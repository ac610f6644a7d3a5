"""Credentials of runs: variables for one phase, identities, and the keys that sign their tokens."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0017"

_OWNERS = ("workspace_id", "set_id")


def upgrade() -> None:
    """Add what credentials need."""
    _phases()
    _identity()


def _phases() -> None:
    """Add the phase, `both` for what is there, and let names be unique within a phase."""
    owner = sa.CheckConstraint("(workspace_id IS NULL) <> (set_id IS NULL)", name=op.f("ck_variables_owner"))
    with op.batch_alter_table("variables", table_args=(owner,)) as table:
        table.add_column(sa.Column("phase", sa.Text(), nullable=False, server_default="both"))
        for column in _OWNERS:
            table.drop_constraint(f"uq_variables_{column}_category_key", type_="unique")
            table.create_unique_constraint(
                f"uq_variables_{column}_category_key_phase", [column, "category", "key", "phase"]
            )
    with op.batch_alter_table("variables", table_args=(owner,)) as table:
        table.alter_column("phase", server_default=None)


def _identity() -> None:
    """Add the identity of workspaces, none for what is there, and the table of keys."""
    with op.batch_alter_table("workspaces") as table:
        table.add_column(sa.Column("identity", sa.JSON(), nullable=False, server_default="{}"))
    with op.batch_alter_table("workspaces") as table:
        table.alter_column("identity", server_default=None)
    moment = sa.DateTime(timezone=True)
    op.create_table(
        "identity_keys",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("private", sa.LargeBinary()),
        sa.Column("public", sa.JSON(), nullable=False),
        sa.Column("used_from", moment, nullable=False),
        sa.Column("retired_at", moment),
        sa.PrimaryKeyConstraint("id", name="pk_identity_keys"),
    )
