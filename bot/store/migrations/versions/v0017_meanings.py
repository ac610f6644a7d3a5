"""What the body of a delivery means, as the web process read it: a worker does not parse it again."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"


def upgrade() -> None:
    """Add the column. Deliveries that wait already have none: their bodies are parsed by the worker."""
    with op.batch_alter_table("deliveries") as table:
        table.add_column(sa.Column("meaning", sa.LargeBinary()))
