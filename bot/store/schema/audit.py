"""The table of what people did."""

from __future__ import annotations

from sqlalchemy import Column, Index, Table

from bot.store.schema.columns import Counter, Moment, Words
from bot.store.schema.naming import metadata

# No references: the record of an action is kept longer than its subject.
audit = Table(
    "audit",
    metadata,
    Column("id", Counter, primary_key=True),
    Column("at", Moment, nullable=False),
    Column("login", Words, nullable=False),
    Column("forge", Words, nullable=False),
    Column("role", Words, nullable=False),
    Column("via", Words, nullable=False),
    Column("deed", Words, nullable=False),
    Column("subject", Words, nullable=False),
    Column("workspace", Words, nullable=False),
    Column("repo_forge", Words, nullable=False),
    Column("repo_path", Words, nullable=False),
    Column("detail", Words, nullable=False),
    Column("ending", Words, nullable=False),
    Column("why", Words, nullable=False),
    Column("address", Words, nullable=False),
    Column("token", Words, nullable=False),
    Index("ix_audit_login", "login"),
    Index("ix_audit_workspace", "workspace"),
    Index("ix_audit_repo", "repo_forge", "repo_path"),
)
