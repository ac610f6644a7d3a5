"""The table of workspaces: configuration, lock, and the number of the newest run."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy import Column, Index, Table

from bot.store.schema.columns import Json, Moment, Words
from bot.store.schema.naming import metadata

workspaces = Table(
    "workspaces",
    metadata,
    Column("id", Words, primary_key=True),
    Column("name", Words, nullable=False, unique=True),
    Column("forge", Words, nullable=False),
    Column("repo_path", Words, nullable=False),
    Column("branch", Words, nullable=False),
    Column("working_directory", Words, nullable=False),
    Column("triggers", Json, nullable=False),
    Column("auto_apply", sa.Boolean, nullable=False),
    Column("engine", Words, nullable=False),
    Column("engine_version", Words, nullable=False),
    Column("discovered", sa.Boolean, nullable=False),
    Column("active", sa.Boolean, nullable=False),
    Column("allowed_modes", Json, nullable=False),
    Column("own_backend", sa.Boolean, nullable=False),
    Column("isolation", Json, nullable=False),
    Column("run_triggers", Json, nullable=False),
    Column("auto_apply_run_triggers", sa.Boolean, nullable=False),
    Column("depends_on", Json, nullable=False, server_default="[]"),
    Column("share_state_with", Json, nullable=False, server_default="[]"),
    Column("inputs", Json, nullable=False, server_default="[]"),
    Column("tags", Json, nullable=False),
    Column("require", Json, nullable=False),
    Column("apply_when", Words, nullable=False),
    Column("keep_approval", sa.Boolean, nullable=False),
    Column("replan_siblings", sa.Boolean, nullable=False),
    Column("forecast", sa.Boolean, nullable=False, server_default=sa.true()),
    Column("automerge", sa.Boolean, nullable=False),
    Column("merge_method", Words, nullable=False),
    Column("plan_of", Words, nullable=False, server_default="head"),
    Column("identity", Json, nullable=False),
    # Empty, and 0, for none.
    Column("concurrency_group", Words, nullable=False, server_default=""),
    Column("concurrency_limit", sa.Integer, nullable=False, server_default=sa.text("0")),
    Column("labels", sa.Boolean, nullable=False, server_default=sa.false()),
    Column("project", Words, nullable=False, server_default=""),
    Column("team", Words, nullable=False, server_default=""),
    Column("pool", Words, nullable=False, server_default=""),
    Column("freeze", Json, nullable=False, server_default="[]"),
    Column("drift", Json, nullable=False, server_default="{}"),
    Column("made_by_api", sa.Boolean, nullable=False, server_default=sa.false()),
    # Of a workspace made through the API: description, execution mode, map of tags, time of creation.
    Column("about", Json, nullable=False, server_default="{}"),
    Column("lock_by", Words),
    Column("lock_reason", Words),
    Column("lock_at", Moment),
    # The sequence of the newest run; counting here serialises the adding of runs to one workspace.
    Column("last_sequence", sa.Integer, nullable=False, server_default=sa.text("0")),
    Index("ix_workspaces_repo", "forge", "repo_path"),
)
