"""The first schema: deliveries, workspaces, runs, leases, changes, posts, states."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

# Frozen here as they were: a migration never follows later changes of the code.
MOMENT = sa.DateTime(timezone=True)
COUNTER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
UNFINISHED = sa.text(
    "status NOT IN ('applied', 'canceled', 'discarded', 'errored', 'planned_and_finished', "
    "'policy_soft_failed')"
)
HOLDING = (
    "status IN ('apply_queued', 'applying', 'confirmed', 'fetching', 'fetching_completed', 'plan_queued', "
    "'planned', 'planning', 'policy_checked', 'policy_checking', 'policy_override')"
)


def upgrade() -> None:
    """Make every table."""
    _deliveries()
    _workspaces()
    _runs()
    _run_events()
    _artifacts()
    _output()
    _leases()
    _changes()
    _subjects()
    _posts()
    _state_versions()
    _state_locks()


def _deliveries() -> None:
    op.create_table(
        "deliveries",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("forge", sa.Text(), nullable=False),
        sa.Column("event", sa.Text(), nullable=False),
        sa.Column("headers", sa.JSON(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("received_at", MOMENT, nullable=False),
        sa.Column("handled_at", MOMENT),
        sa.Column("decisions", sa.JSON(), nullable=False),
        sa.Column("error", sa.Text(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_deliveries"),
    )
    op.create_index(
        "ix_deliveries_due",
        "deliveries",
        ["received_at"],
        sqlite_where=sa.text("handled_at IS NULL"),
        postgresql_where=sa.text("handled_at IS NULL"),
    )
    op.create_index("ix_deliveries_received_at", "deliveries", ["received_at"])


def _workspaces() -> None:
    op.create_table(
        "workspaces",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("forge", sa.Text(), nullable=False),
        sa.Column("repo_path", sa.Text(), nullable=False),
        sa.Column("branch", sa.Text(), nullable=False),
        sa.Column("working_directory", sa.Text(), nullable=False),
        sa.Column("triggers", sa.JSON(), nullable=False),
        sa.Column("auto_apply", sa.Boolean(), nullable=False),
        sa.Column("engine", sa.Text(), nullable=False),
        sa.Column("engine_version", sa.Text(), nullable=False),
        sa.Column("discovered", sa.Boolean(), nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("lock_by", sa.Text()),
        sa.Column("lock_reason", sa.Text()),
        sa.Column("lock_at", MOMENT),
        sa.Column("last_sequence", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_workspaces"),
        sa.UniqueConstraint("name", name="uq_workspaces_name"),
    )
    op.create_index("ix_workspaces_repo", "workspaces", ["forge", "repo_path"])


def _runs() -> None:
    op.create_table(
        "runs",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("workspace_id", sa.Text(), nullable=False),
        sa.Column("sequence", sa.Integer(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("plan_only", sa.Boolean(), nullable=False),
        sa.Column("commit_sha", sa.Text(), nullable=False),
        sa.Column("branch", sa.Text(), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("status_at", MOMENT, nullable=False),
        sa.Column("auto_apply", sa.Boolean(), nullable=False),
        sa.Column("change_number", sa.Integer()),
        sa.Column("modes", sa.JSON(), nullable=False),
        sa.Column("plan_status", sa.Text(), nullable=False),
        sa.Column("apply_status", sa.Text(), nullable=False),
        sa.Column("has_changes", sa.Boolean()),
        sa.Column("counts", sa.JSON()),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("engine_version", sa.Text(), nullable=False),
        sa.Column("approval", sa.JSON()),
        sa.Column("confirmed_by", sa.Text(), nullable=False),
        sa.Column("delta", sa.Text(), nullable=False),
        sa.Column("error", sa.Text(), nullable=False),
        sa.Column("cancel_requested_by", sa.Text(), nullable=False),
        sa.Column("cancel_requested_at", MOMENT),
        sa.Column("force_cancel", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(["workspace_id"], ["workspaces.id"], name="fk_runs_workspace_id"),
        sa.PrimaryKeyConstraint("id", name="pk_runs"),
        sa.UniqueConstraint("workspace_id", "sequence", name="uq_runs_workspace_id_sequence"),
    )
    op.create_index("ix_runs_change", "runs", ["workspace_id", "change_number"])
    op.create_index("ix_runs_commit", "runs", ["commit_sha"])
    op.create_index("ix_runs_created_at", "runs", ["created_at"])
    op.create_index(
        "ix_runs_unfinished",
        "runs",
        ["workspace_id", "sequence"],
        sqlite_where=UNFINISHED,
        postgresql_where=UNFINISHED,
    )
    op.create_index(
        "uq_runs_holder",
        "runs",
        ["workspace_id"],
        unique=True,
        sqlite_where=sa.text(f"plan_only = 0 AND {HOLDING}"),
        postgresql_where=sa.text(f"NOT plan_only AND {HOLDING}"),
    )
    op.create_index(
        "uq_runs_push",
        "runs",
        ["workspace_id", "commit_sha"],
        unique=True,
        sqlite_where=sa.text("source = 'push'"),
        postgresql_where=sa.text("source = 'push'"),
    )


def _run_events() -> None:
    op.create_table(
        "run_events",
        sa.Column("position", COUNTER, nullable=False),
        sa.Column("run_id", sa.Text(), nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["run_id"], ["runs.id"], name="fk_run_events_run_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("position", name="pk_run_events"),
    )
    op.create_index("ix_run_events_run", "run_events", ["run_id", "position"])


def _artifacts() -> None:
    op.create_table(
        "artifacts",
        sa.Column("run_id", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("data", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["run_id"], ["runs.id"], name="fk_artifacts_run_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("run_id", "kind", name="pk_artifacts"),
    )


def _output() -> None:
    op.create_table(
        "output",
        sa.Column("run_id", sa.Text(), nullable=False),
        sa.Column("stage", sa.Text(), nullable=False),
        sa.Column("begin", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("length", sa.Integer(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["run_id"], ["runs.id"], name="fk_output_run_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("run_id", "stage", "begin", name="pk_output"),
    )


def _leases() -> None:
    op.create_table(
        "leases",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("owner", sa.Text(), nullable=False),
        sa.Column("fence", sa.Integer(), nullable=False),
        sa.Column("expires_at", MOMENT),
        sa.PrimaryKeyConstraint("name", name="pk_leases"),
    )


def _changes() -> None:
    op.create_table(
        "changes",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("forge", sa.Text(), nullable=False),
        sa.Column("repo_path", sa.Text(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("author", sa.Text(), nullable=False),
        sa.Column("head_sha", sa.Text(), nullable=False),
        sa.Column("head_branch", sa.Text(), nullable=False),
        sa.Column("base_branch", sa.Text(), nullable=False),
        sa.Column("from_fork", sa.Boolean(), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("open", sa.Boolean(), nullable=False),
        sa.Column("merged", sa.Boolean(), nullable=False),
        sa.Column("draft", sa.Boolean(), nullable=False),
        sa.Column("mergeable", sa.Boolean()),
        sa.Column("default_branch", sa.Text(), nullable=False),
        sa.Column("workspace_ids", sa.JSON(), nullable=False),
        sa.Column("seen_at", MOMENT, nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_changes"),
        sa.UniqueConstraint("forge", "repo_path", "number", name="uq_changes_forge_repo_path_number"),
    )


def _subjects() -> None:
    op.create_table(
        "subjects",
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("due_mark", sa.Integer(), nullable=False),
        sa.Column("derived_mark", sa.Integer(), nullable=False),
        sa.Column("due_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("subject", name="pk_subjects"),
    )
    op.create_index(
        "ix_subjects_due",
        "subjects",
        ["due_at"],
        sqlite_where=sa.text("due_mark > derived_mark"),
        postgresql_where=sa.text("due_mark > derived_mark"),
    )


def _posts() -> None:
    op.create_table(
        "posts",
        sa.Column("position", COUNTER, nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("forge", sa.Text(), nullable=False),
        sa.Column("repo_path", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("payload", sa.JSON(), nullable=False),
        sa.Column("payload_hash", sa.Text(), nullable=False),
        sa.Column("posted", sa.Text(), nullable=False),
        sa.Column("remote_id", sa.Text(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("not_before", MOMENT),
        sa.Column("gave_up", sa.Boolean(), nullable=False),
        sa.Column("error", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["subject"], ["subjects.subject"], name="fk_posts_subject"),
        sa.PrimaryKeyConstraint("position", name="pk_posts"),
        sa.UniqueConstraint("forge", "repo_path", "key", name="uq_posts_forge_repo_path_key"),
    )
    op.create_index("ix_posts_subject", "posts", ["subject"])
    op.create_index(
        "ix_posts_undelivered",
        "posts",
        ["not_before"],
        sqlite_where=sa.text("payload_hash <> posted"),
        postgresql_where=sa.text("payload_hash <> posted"),
    )


def _state_versions() -> None:
    op.create_table(
        "state_versions",
        sa.Column("position", COUNTER, nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("workspace_id", sa.Text(), nullable=False),
        sa.Column("run_id", sa.Text()),
        sa.Column("serial", sa.BigInteger(), nullable=False),
        sa.Column("lineage", sa.Text(), nullable=False),
        sa.Column("md5", sa.Text(), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("refused", sa.Text(), nullable=False),
        sa.Column("data", sa.LargeBinary(), nullable=False),
        sa.CheckConstraint("serial >= 0", name=op.f("ck_state_versions_serial")),
        sa.ForeignKeyConstraint(["run_id"], ["runs.id"], name="fk_state_versions_run_id"),
        sa.ForeignKeyConstraint(["workspace_id"], ["workspaces.id"], name="fk_state_versions_workspace_id"),
        sa.PrimaryKeyConstraint("position", name="pk_state_versions"),
        sa.UniqueConstraint("id", name="uq_state_versions_id"),
    )
    op.create_index("ix_state_versions_workspace", "state_versions", ["workspace_id", "position"])


def _state_locks() -> None:
    op.create_table(
        "state_locks",
        sa.Column("workspace_id", sa.Text(), nullable=False),
        sa.Column("lock_id", sa.Text(), nullable=False),
        sa.Column("run_id", sa.Text()),
        sa.Column("info", sa.Text(), nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.ForeignKeyConstraint(["run_id"], ["runs.id"], name="fk_state_locks_run_id"),
        sa.ForeignKeyConstraint(["workspace_id"], ["workspaces.id"], name="fk_state_locks_workspace_id"),
        sa.PrimaryKeyConstraint("workspace_id", name="pk_state_locks"),
    )
