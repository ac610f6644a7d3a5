"""The tables of runs, their events, files and output, and the leases that workers hold them by."""

from __future__ import annotations

from collections.abc import Iterable

import sqlalchemy as sa
from sqlalchemy import Column, ForeignKey, Index, Table, UniqueConstraint

from bot.domain.runs import lifecycle
from bot.store.schema.columns import Counter, Json, Moment, Words
from bot.store.schema.naming import metadata


def _listed(statuses: Iterable[lifecycle.RunStatus]) -> str:
    return ", ".join(f"'{status.value}'" for status in sorted(statuses))


# A literal, not a parameter: a query uses a partial index only if it repeats the index's condition.
UNFINISHED = sa.text(f"status NOT IN ({_listed(lifecycle.FINAL)})")
# A run whose commit is in effect in the workspace: applied, or nothing was left to apply.
IN_EFFECT = sa.text(
    "plan_only IS FALSE AND (status = 'applied' OR status = 'planned_and_finished' AND has_changes IS FALSE)"
)
HOLDING = f"status IN ({_listed(lifecycle.HOLDS_WORKSPACE)})"

runs = Table(
    "runs",
    metadata,
    Column("id", Words, primary_key=True),
    Column("workspace_id", Words, ForeignKey("workspaces.id"), nullable=False),
    Column("sequence", sa.Integer, nullable=False),
    Column("version", sa.Integer, nullable=False),
    Column("status", Words, nullable=False),
    Column("source", Words, nullable=False),
    Column("plan_only", sa.Boolean, nullable=False),
    Column("commit_sha", Words, nullable=False),
    Column("branch", Words, nullable=False),
    Column("message", Words, nullable=False),
    Column("created_by", Words, nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("status_at", Moment, nullable=False),
    Column("auto_apply", sa.Boolean, nullable=False),
    Column("change_number", sa.Integer),
    Column("modes", Json, nullable=False),
    Column("plan_status", Words, nullable=False),
    Column("apply_status", Words, nullable=False),
    Column("has_changes", sa.Boolean),
    Column("counts", Json),
    Column("digest", Words, nullable=False),
    Column("engine_version", Words, nullable=False),
    Column("approval", Json),
    Column("confirmed_by", Words, nullable=False),
    Column("delta", Words, nullable=False),
    Column("lacks", Words, nullable=False),
    Column("error", Words, nullable=False),
    Column("cancel_requested_by", Words, nullable=False),
    Column("cancel_requested_at", Moment),
    Column("force_cancel", sa.Boolean, nullable=False),
    Column("merge", Json),
    Column("as_applied", Json),
    Column("as_planned", Json),
    Column("after", Json, nullable=False, server_default="[]"),
    Column("rest_of", Json),
    Column("frozen", Json),
    Column("freeze_ignored", Words, nullable=False, server_default=""),
    # The uploaded configuration; empty if it is that of a commit.
    Column("configuration_version", Words, nullable=False, server_default=""),
    Column("save_plan", sa.Boolean, nullable=False, server_default=sa.false()),
    Column("allow_empty_apply", sa.Boolean, nullable=False, server_default=sa.false()),
    # The program that created the run, as it names itself.
    Column("client", Words, nullable=False, server_default=""),
    UniqueConstraint("workspace_id", "sequence"),
    # Applies queue: at most one run holds a workspace, even if the code has a bug (promise 2).
    Index(
        "uq_runs_holder",
        "workspace_id",
        unique=True,
        sqlite_where=sa.text(f"plan_only = 0 AND {HOLDING}"),
        postgresql_where=sa.text(f"NOT plan_only AND {HOLDING}"),
    ),
    # A commit creates at most one run in a workspace, however often it is delivered.
    Index(
        "uq_runs_push",
        "workspace_id",
        "commit_sha",
        unique=True,
        sqlite_where=sa.text("source IN ('push', 'tag')"),
        postgresql_where=sa.text("source IN ('push', 'tag')"),
    ),
    Index(
        "ix_runs_unfinished",
        "workspace_id",
        "sequence",
        sqlite_where=UNFINISHED,
        postgresql_where=UNFINISHED,
    ),
    Index("ix_runs_latest", "workspace_id", "plan_only", "sequence"),
    Index(
        "ix_runs_in_effect", "workspace_id", "sequence", sqlite_where=IN_EFFECT, postgresql_where=IN_EFFECT
    ),
    Index("ix_runs_commit", "commit_sha"),
    Index("ix_runs_change", "workspace_id", "change_number"),
    Index("ix_runs_created_at", "created_at"),
    Index("ix_runs_status", "status", "created_at"),
    Index("ix_runs_created_by", "created_by", "created_at"),
    Index("ix_runs_confirmed_by", "confirmed_by", "created_at"),
    Index("ix_runs_branch", "branch", "created_at"),
    Index("ix_runs_change_number", "change_number", "created_at"),
)

# Which pending runs wait for which runs of other workspaces. `workspace_id` is that of the awaited run.
awaited_runs = Table(
    "awaited_runs",
    metadata,
    Column("awaited_id", Words, ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True),
    Column("run_id", Words, ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True),
    Column("workspace_id", Words, ForeignKey("workspaces.id"), nullable=False),
    Index("ix_awaited_runs_workspace", "workspace_id"),
    Index("ix_awaited_runs_run", "run_id"),
)

run_events = Table(
    "run_events",
    metadata,
    Column("position", Counter, primary_key=True),
    Column("run_id", Words, ForeignKey("runs.id", ondelete="CASCADE"), nullable=False),
    Column("at", Moment, nullable=False),
    Column("kind", Words, nullable=False),
    Column("actor", Words, nullable=False),
    Column("message", Words, nullable=False),
    Index("ix_run_events_run", "run_id", "position"),
)

artifacts = Table(
    "artifacts",
    metadata,
    Column("run_id", Words, ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True),
    Column("kind", Words, primary_key=True),
    Column("data", sa.LargeBinary, nullable=False),
)

output = Table(
    "output",
    metadata,
    Column("run_id", Words, ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True),
    Column("stage", Words, primary_key=True),
    # Where the piece begins, and how long it is, both in characters.
    Column("begin", sa.Integer, primary_key=True, autoincrement=False),
    Column("length", sa.Integer, nullable=False),
    # How many lines end in it. Empty in rows of earlier versions.
    Column("line_ends", sa.Integer),
    # Encrypted. Rows from before there was encryption have only their text.
    Column("text", Words, nullable=False),
    Column("data", sa.LargeBinary),
)

leases = Table(
    "leases",
    metadata,
    # A released lease keeps its row: its fencing number must never start again (promise 3).
    Column("name", Words, primary_key=True),
    Column("owner", Words, nullable=False),
    Column("fence", sa.Integer, nullable=False),
    Column("expires_at", Moment),
)
