"""Variables and sets of them, and the root that derived keys come from."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Make three tables."""
    op.create_table(
        "variable_sets",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("everywhere", sa.Boolean(), nullable=False),
        sa.Column("workspaces", sa.JSON(), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("made_by", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_variable_sets"),
        sa.UniqueConstraint("name", name="uq_variable_sets_name"),
    )
    op.create_table(
        "variables",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("workspace_id", sa.Text()),
        sa.Column("set_id", sa.Text()),
        sa.Column("category", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("value", sa.LargeBinary(), nullable=False),
        sa.Column("hcl", sa.Boolean(), nullable=False),
        sa.Column("sensitive", sa.Boolean(), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("set_by", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("(workspace_id IS NULL) <> (set_id IS NULL)", name=op.f("ck_variables_owner")),
        sa.ForeignKeyConstraint(["workspace_id"], ["workspaces.id"], name="fk_variables_workspace_id"),
        sa.ForeignKeyConstraint(
            ["set_id"], ["variable_sets.id"], name="fk_variables_set_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_variables"),
        sa.UniqueConstraint("workspace_id", "category", "key", name="uq_variables_workspace_id_category_key"),
        sa.UniqueConstraint("set_id", "category", "key", name="uq_variables_set_id_category_key"),
    )
    op.create_table(
        "roots",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("data", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_roots"),
    )
