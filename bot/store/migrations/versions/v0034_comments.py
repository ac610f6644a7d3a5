"""Comments that were handled, and since when a comment shows a plan, by the forge's clock."""

from __future__ import annotations

import json

import sqlalchemy as sa
from alembic import op

# What stood before the forge's times were kept was there for a while.
_LONG_AGO = "1970-01-01T00:00:00+00:00"

revision = "0034"
down_revision = "0033"


def upgrade() -> None:
    """Add the table and the columns. What stands counts as shown."""
    op.create_table(
        "heard_comments",
        sa.Column("forge", sa.Text(), primary_key=True),
        sa.Column("repo_path", sa.Text(), primary_key=True),
        sa.Column("comment_id", sa.Text(), primary_key=True),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
    )
    with op.batch_alter_table("posts") as table:
        table.add_column(sa.Column("shown", sa.JSON(), nullable=False, server_default=sa.text("'{}'")))
        table.add_column(sa.Column("text_hash", sa.Text(), nullable=False, server_default=""))
    with op.batch_alter_table("changes") as table:
        table.add_column(sa.Column("pushers", sa.JSON(), nullable=False, server_default=sa.text("'[]'")))
        table.add_column(sa.Column("head_at", sa.DateTime(timezone=True)))
        table.add_column(sa.Column("edited", sa.Text(), nullable=False, server_default=""))
    with op.batch_alter_table("approvals") as table:
        table.add_column(sa.Column("forge", sa.Text()))
        table.add_column(sa.Column("uid", sa.Text(), nullable=False, server_default=""))
        table.create_index("ix_approvals_run", ["run_id"])
    posts = sa.table(
        "posts",
        sa.column("position", sa.Integer()),
        sa.column("key", sa.Text()),
        sa.column("payload", sa.JSON()),
        sa.column("payload_hash", sa.Text()),
        sa.column("posted", sa.Text()),
        sa.column("shown", sa.JSON()),
    )
    stands = sa.select(posts.c.position, posts.c.payload).where(
        posts.c.key.like("comment:%:summary"), posts.c.posted == posts.c.payload_hash
    )
    for position, payload in op.get_bind().execute(stands).all():
        stored = json.loads(payload) if isinstance(payload, str) else payload
        if shows := stored.get("shows", "").split():
            shown = dict.fromkeys(shows, _LONG_AGO)
            op.execute(sa.update(posts).where(posts.c.position == position).values(shown=shown))
