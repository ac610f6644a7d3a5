"""The tables, and the promises that the database itself keeps by constraints and unique indexes.

A change here needs a migration in `migrations/versions`; a test compares what the two make.
"""

from __future__ import annotations

from collections.abc import Iterable

import sqlalchemy as sa
from sqlalchemy import CheckConstraint, Column, ForeignKey, Index, Table, UniqueConstraint

from bot.domain import lifecycle
from bot.store.approval_tables import approvals
from bot.store.audit_tables import audit
from bot.store.columns import Counter, Json, Moment, Words
from bot.store.naming import metadata
from bot.store.people_tables import sessions, tokens
from bot.store.policy_tables import policy_checks, policy_replays, policy_set_versions
from bot.store.variable_tables import variable_sets, variables

__all__ = [
    "approvals",
    "audit",
    "metadata",
    "policy_checks",
    "policy_replays",
    "policy_set_versions",
    "sessions",
    "tokens",
    "variable_sets",
    "variables",
]


def _listed(statuses: Iterable[lifecycle.RunStatus]) -> str:
    return ", ".join(f"'{status.value}'" for status in sorted(statuses))


# Written out, not bound: a query uses a partial index only where it repeats the index's own condition.
UNFINISHED = sa.text(f"status NOT IN ({_listed(lifecycle.FINAL)})")
# A run after which its commit stands in the workspace: applied, or nothing was left to apply.
IN_EFFECT = sa.text(
    "plan_only IS FALSE AND (status = 'applied' OR status = 'planned_and_finished' AND has_changes IS FALSE)"
)
HOLDING = f"status IN ({_listed(lifecycle.HOLDS_WORKSPACE)})"

deliveries = Table(
    "deliveries",
    metadata,
    # The forge's own id, alone: jobs carry nothing else. A delivery is accepted once (promise 3).
    Column("id", Words, primary_key=True),
    Column("forge", Words, nullable=False),
    Column("event", Words, nullable=False),
    Column("headers", Json, nullable=False),
    Column("body", sa.LargeBinary, nullable=False),
    Column("received_at", Moment, nullable=False),
    Column("handled_at", Moment),
    Column("decisions", Json, nullable=False),
    Column("error", Words, nullable=False),
    Column("attempts", sa.Integer, nullable=False),
    Column("repo", Words, nullable=False),
    Column("told", Words, nullable=False),
    Column("made_run", sa.Boolean, nullable=False),
    Index("ix_deliveries_received_at", "received_at"),
    Index(
        "ix_deliveries_due",
        "received_at",
        sqlite_where=sa.text("handled_at IS NULL"),
        postgresql_where=sa.text("handled_at IS NULL"),
    ),
)

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
    Column("run_triggers", Json, nullable=False),
    Column("auto_apply_run_triggers", sa.Boolean, nullable=False),
    Column("tags", Json, nullable=False),
    Column("require", Json, nullable=False),
    Column("apply_when", Words, nullable=False),
    Column("keep_approval", sa.Boolean, nullable=False),
    Column("replan_siblings", sa.Boolean, nullable=False),
    Column("automerge", sa.Boolean, nullable=False),
    Column("merge_method", Words, nullable=False),
    Column("lock_by", Words),
    Column("lock_reason", Words),
    Column("lock_at", Moment),
    # The sequence of the newest run; counting here serialises the adding of runs to one workspace.
    Column("last_sequence", sa.Integer, nullable=False, server_default=sa.text("0")),
    Index("ix_workspaces_repo", "forge", "repo_path"),
)

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
    UniqueConstraint("workspace_id", "sequence"),
    # Applies queue: one run at most holds a workspace, whatever the code thinks (promise 2).
    Index(
        "uq_runs_holder",
        "workspace_id",
        unique=True,
        sqlite_where=sa.text(f"plan_only = 0 AND {HOLDING}"),
        postgresql_where=sa.text(f"NOT plan_only AND {HOLDING}"),
    ),
    # A commit that already made a run in a workspace makes no second one, however often it is delivered.
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
    Column("text", Words, nullable=False),
)

leases = Table(
    "leases",
    metadata,
    # A released lease keeps its row: its fencing number must never begin anew (promise 3).
    Column("name", Words, primary_key=True),
    Column("owner", Words, nullable=False),
    Column("fence", sa.Integer, nullable=False),
    Column("expires_at", Moment),
)

changes = Table(
    "changes",
    metadata,
    Column("id", Words, primary_key=True),
    Column("forge", Words, nullable=False),
    Column("repo_path", Words, nullable=False),
    Column("number", sa.Integer, nullable=False),
    Column("title", Words, nullable=False),
    Column("author", Words, nullable=False),
    Column("head_sha", Words, nullable=False),
    Column("head_branch", Words, nullable=False),
    Column("base_branch", Words, nullable=False),
    Column("from_fork", sa.Boolean, nullable=False),
    Column("url", Words, nullable=False),
    Column("open", sa.Boolean, nullable=False),
    Column("merged", sa.Boolean, nullable=False),
    Column("draft", sa.Boolean, nullable=False),
    Column("mergeable", sa.Boolean),
    Column("default_branch", Words, nullable=False),
    Column("merge_sha", Words, nullable=False),
    Column("workspace_ids", Json, nullable=False),
    Column("seen_at", Moment, nullable=False),
    Column("note", Words, nullable=False),
    Column("reasons", Json, nullable=False),
    UniqueConstraint("forge", "repo_path", "number"),
)

subjects = Table(
    "subjects",
    metadata,
    Column("subject", Words, primary_key=True),
    Column("due_mark", sa.Integer, nullable=False),
    Column("derived_mark", sa.Integer, nullable=False),
    # Since when the oldest mark waits that nothing was derived from yet.
    Column("due_at", Moment, nullable=False),
    Index(
        "ix_subjects_due",
        "due_at",
        sqlite_where=sa.text("due_mark > derived_mark"),
        postgresql_where=sa.text("due_mark > derived_mark"),
    ),
)

posts = Table(
    "posts",
    metadata,
    Column("position", Counter, primary_key=True),
    Column("subject", Words, ForeignKey("subjects.subject"), nullable=False),
    Column("forge", Words, nullable=False),
    Column("repo_path", Words, nullable=False),
    Column("key", Words, nullable=False),
    Column("payload", Json, nullable=False),
    Column("payload_hash", Words, nullable=False),
    Column("posted", Words, nullable=False),
    Column("remote_id", Words, nullable=False),
    Column("attempts", sa.Integer, nullable=False),
    Column("not_before", Moment),
    Column("gave_up", sa.Boolean, nullable=False),
    Column("error", Words, nullable=False),
    UniqueConstraint("forge", "repo_path", "key"),
    Index("ix_posts_subject", "subject"),
    Index(
        "ix_posts_undelivered",
        "not_before",
        sqlite_where=sa.text("payload_hash <> posted"),
        postgresql_where=sa.text("payload_hash <> posted"),
    ),
)

state_versions = Table(
    "state_versions",
    metadata,
    Column("position", Counter, primary_key=True),
    Column("id", Words, nullable=False, unique=True),
    Column("workspace_id", Words, ForeignKey("workspaces.id"), nullable=False),
    Column("run_id", Words, ForeignKey("runs.id")),
    Column("serial", sa.BigInteger, nullable=False),
    Column("lineage", Words, nullable=False),
    Column("md5", Words, nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("size", sa.BigInteger, nullable=False),
    Column("refused", Words, nullable=False),
    Column("data", sa.LargeBinary, nullable=False),
    Column("made_by", Words, nullable=False, server_default=""),
    Column("note", Words, nullable=False, server_default=""),
    CheckConstraint("serial >= 0", name="serial"),
    Index("ix_state_versions_workspace", "workspace_id", "position"),
)

state_locks = Table(
    "state_locks",
    metadata,
    Column("workspace_id", Words, ForeignKey("workspaces.id"), primary_key=True),
    Column("lock_id", Words, nullable=False),
    Column("run_id", Words, ForeignKey("runs.id")),
    Column("info", Words, nullable=False),
    Column("at", Moment, nullable=False),
)

# The secret that every derived key comes from: it outlives each encryption key (see bot/vault.py).
roots = Table(
    "roots",
    metadata,
    Column("name", Words, primary_key=True),
    Column("data", sa.LargeBinary, nullable=False),
)
