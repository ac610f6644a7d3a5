"""The tables, a module for each word, and the promises that constraints and unique indexes keep.

A change here needs a migration in `migrations/versions`; a test compares what the two make.
"""

from __future__ import annotations

from bot.store.schema.approvals import approvals
from bot.store.schema.audit import audit
from bot.store.schema.catching_up import handled_heads, repo_watches
from bot.store.schema.changes import changes
from bot.store.schema.configurations import configuration_versions, uploads
from bot.store.schema.deliveries import deliveries
from bot.store.schema.drifts import drift_checks, drifts
from bot.store.schema.failed_deliveries import failed_deliveries, hook_watches
from bot.store.schema.forecasts import forecasts
from bot.store.schema.identity import identity_keys
from bot.store.schema.naming import metadata
from bot.store.schema.notifications import notices, notification_attempts, notifications
from bot.store.schema.people import login_codes, sessions, tokens
from bot.store.schema.policies import policy_checks, policy_replays, policy_set_versions
from bot.store.schema.posts import posts, subjects
from bot.store.schema.projects import projects
from bot.store.schema.resources import indexed_states, resources
from bot.store.schema.roots import roots
from bot.store.schema.runs import artifacts, leases, output, run_events, runs
from bot.store.schema.states import state_locks, state_versions
from bot.store.schema.tasks import task_results
from bot.store.schema.variables import variable_sets, variables
from bot.store.schema.workspaces import workspaces

__all__ = [
    "approvals",
    "artifacts",
    "audit",
    "changes",
    "configuration_versions",
    "deliveries",
    "drift_checks",
    "drifts",
    "failed_deliveries",
    "forecasts",
    "handled_heads",
    "hook_watches",
    "identity_keys",
    "indexed_states",
    "leases",
    "login_codes",
    "metadata",
    "notices",
    "notification_attempts",
    "notifications",
    "output",
    "policy_checks",
    "policy_replays",
    "policy_set_versions",
    "posts",
    "projects",
    "repo_watches",
    "resources",
    "roots",
    "run_events",
    "runs",
    "sessions",
    "state_locks",
    "state_versions",
    "subjects",
    "task_results",
    "tokens",
    "uploads",
    "variable_sets",
    "variables",
    "workspaces",
]
