"""What the current state of each workspace has, without values. The sweep fills it for older states."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0053"
down_revision = "0052"


def upgrade() -> None:
    """Add the tables, empty."""
    counter = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    op.create_table(
        "indexed_states",
        sa.Column("workspace_id", sa.Text(), nullable=False),
        sa.Column("position", counter, nullable=False),
        sa.Column("version_id", sa.Text(), nullable=False),
        sa.Column("terraform_version", sa.Text(), nullable=False),
        sa.Column("readable", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("workspace_id", name="pk_indexed_states"),
        sa.ForeignKeyConstraint(
            ["workspace_id"],
            ["workspaces.id"],
            name="fk_indexed_states_workspace_id",
            ondelete="CASCADE",
        ),
    )
    texts = ("type", "name", "module", "provider", "provider_version", "mark", "version_id", "run_id")
    op.create_table(
        "resources",
        sa.Column("workspace_id", sa.Text(), nullable=False),
        sa.Column("address", sa.Text(), nullable=False),
        *(sa.Column(name, sa.Text(), nullable=False) for name in texts[:5]),
        sa.Column("instances", sa.Integer(), nullable=False),
        *(sa.Column(name, sa.Text(), nullable=False) for name in texts[5:]),
        sa.Column("changed_at", sa.DateTime(timezone=True)),
        sa.PrimaryKeyConstraint("workspace_id", "address", name="pk_resources"),
        sa.ForeignKeyConstraint(
            ["workspace_id"],
            ["workspaces.id"],
            name="fk_resources_workspace_id",
            ondelete="CASCADE",
        ),
    )
    op.create_index("ix_resources_address", "resources", ["address", "workspace_id"])
