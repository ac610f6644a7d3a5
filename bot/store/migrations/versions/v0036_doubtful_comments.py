"""Comments whose answer is not known, and the plans that did not fit into a comment."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0036"
down_revision = "0035"

_UNSURE = sa.text("unsure_since IS NOT NULL")


def upgrade() -> None:
    """Add the columns."""
    with op.batch_alter_table("posts") as table:
        table.add_column(sa.Column("listed", sa.JSON(), nullable=False, server_default=sa.text("'{}'")))
        table.add_column(sa.Column("unsure_since", sa.DateTime(timezone=True)))
        table.create_index(
            "ix_posts_unsure", ["unsure_since"], sqlite_where=_UNSURE, postgresql_where=_UNSURE
        )
