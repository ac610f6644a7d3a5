"""The tables of policies: what judged each run, and what it said."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy import Column, ForeignKey, Index, Table, UniqueConstraint

from bot.store.schema.columns import Json, Moment, Words
from bot.store.schema.naming import metadata

policy_set_versions = Table(
    "policy_set_versions",
    metadata,
    # A hash of the set's name, origin, commit and files: the same version is kept once.
    Column("id", Words, primary_key=True),
    Column("set_name", Words, nullable=False),
    Column("origin", Words, nullable=False),
    Column("commit_sha", Words, nullable=False),
    Column("seen_at", Moment, nullable=False),
    Column("files", sa.LargeBinary, nullable=False),
    Index("ix_policy_set_versions_origin", "origin", "commit_sha"),
)

policy_checks = Table(
    "policy_checks",
    metadata,
    Column("run_id", Words, ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True),
    Column("position", sa.Integer, primary_key=True, autoincrement=False),
    Column("version_id", Words, ForeignKey("policy_set_versions.id"), nullable=False),
    Column("set_name", Words, nullable=False),
    Column("policy", Words, nullable=False),
    Column("level", Words, nullable=False),
    Column("outcome", Words, nullable=False),
    Column("messages", Json, nullable=False),
    Column("seconds", sa.Float, nullable=False),
    Column("description", Words, nullable=False),
    Column("file", Words, nullable=False),
    Column("override_by", Words),
    Column("override_reason", Words),
    Column("override_at", Moment),
    Column("evaluator", Words, nullable=False),
    Column("message_count", sa.Integer, nullable=False),
)

# A literal, not a parameter: a query uses a partial index only if it repeats the index's condition.
WANTED = sa.text("state = 'wanted'")

policy_replays = Table(
    "policy_replays",
    metadata,
    Column("id", Words, primary_key=True),
    Column("change_id", Words, ForeignKey("changes.id"), nullable=False),
    Column("set_name", Words, nullable=False),
    Column("commit_sha", Words, nullable=False),
    Column("state", Words, nullable=False),
    Column("asked_at", Moment, nullable=False),
    Column("attempts", sa.Integer, nullable=False),
    Column("not_before", Moment),
    Column("why", Words, nullable=False),
    Column("result", Json),
    # A commit is tried once for each set, however often the forge sends it.
    UniqueConstraint("change_id", "set_name", "commit_sha"),
    Index("ix_policy_replays_wanted", "asked_at", sqlite_where=WANTED, postgresql_where=WANTED),
)
