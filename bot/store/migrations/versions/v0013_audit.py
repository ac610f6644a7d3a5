"""What people did."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"


def upgrade() -> None:
    """Add the table."""
    counter = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    texts = (
        *("login", "forge", "role", "via", "deed", "subject", "workspace", "repo_forge", "repo_path"),
        *("detail", "ending", "why", "address", "token"),
    )
    op.create_table(
        "audit",
        sa.Column("id", counter, nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        *(sa.Column(name, sa.Text(), nullable=False) for name in texts),
        sa.PrimaryKeyConstraint("id", name="pk_audit"),
    )
    op.create_index("ix_audit_login", "audit", ["login"])
    op.create_index("ix_audit_workspace", "audit", ["workspace"])
    op.create_index("ix_audit_repo", "audit", ["repo_forge", "repo_path"])
