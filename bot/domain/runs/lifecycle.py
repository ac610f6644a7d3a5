"""The lifecycle of a run, as one table. Everything else about statuses derives from it.

Statuses are spelled as in HashiCorp's runs API:
https://developer.hashicorp.com/terraform/enterprise/api-docs/run#run-states
"""

from __future__ import annotations

from enum import StrEnum


class RunStatus(StrEnum):
    """The status of a run."""

    PENDING = "pending"
    FETCHING = "fetching"
    FETCHING_COMPLETED = "fetching_completed"
    PLAN_QUEUED = "plan_queued"
    PLANNING = "planning"
    PLANNED = "planned"
    POLICY_CHECKING = "policy_checking"
    POLICY_OVERRIDE = "policy_override"
    POLICY_CHECKED = "policy_checked"
    CONFIRMED = "confirmed"
    APPLY_QUEUED = "apply_queued"
    APPLYING = "applying"
    APPLIED = "applied"
    PLANNED_AND_FINISHED = "planned_and_finished"
    PLANNED_AND_SAVED = "planned_and_saved"
    POLICY_SOFT_FAILED = "policy_soft_failed"
    DISCARDED = "discarded"
    ERRORED = "errored"
    CANCELED = "canceled"


class StageStatus(StrEnum):
    """The status of a run's plan or apply. Tells "plan errored" from "apply errored"."""

    PENDING = "pending"
    QUEUED = "queued"
    RUNNING = "running"
    FINISHED = "finished"
    ERRORED = "errored"
    CANCELED = "canceled"
    UNREACHABLE = "unreachable"


_S = RunStatus

TRANSITIONS: dict[RunStatus, frozenset[RunStatus]] = {
    # To `confirmed` at once: a saved plan that was confirmed, and had to wait for its turn.
    _S.PENDING: frozenset({_S.FETCHING, _S.CONFIRMED, _S.DISCARDED, _S.CANCELED}),
    _S.FETCHING: frozenset({_S.FETCHING_COMPLETED, _S.ERRORED, _S.CANCELED}),
    _S.FETCHING_COMPLETED: frozenset({_S.PLAN_QUEUED, _S.ERRORED, _S.CANCELED}),
    _S.PLAN_QUEUED: frozenset({_S.PLANNING, _S.ERRORED, _S.CANCELED}),
    _S.PLANNING: frozenset({_S.PLANNED, _S.ERRORED, _S.CANCELED}),
    _S.PLANNED: frozenset(
        {
            _S.PLANNED_AND_FINISHED,
            _S.PLANNED_AND_SAVED,
            _S.POLICY_CHECKING,
            _S.CONFIRMED,
            _S.DISCARDED,
        }
    ),
    # Back to the queue: other runs may hold the workspace by now.
    _S.PLANNED_AND_SAVED: frozenset({_S.PENDING, _S.DISCARDED}),
    _S.POLICY_CHECKING: frozenset(
        {_S.POLICY_CHECKED, _S.POLICY_OVERRIDE, _S.POLICY_SOFT_FAILED, _S.ERRORED, _S.CANCELED}
    ),
    _S.POLICY_OVERRIDE: frozenset({_S.POLICY_CHECKED, _S.DISCARDED}),
    _S.POLICY_CHECKED: frozenset({_S.PLANNED_AND_FINISHED, _S.PLANNED_AND_SAVED, _S.CONFIRMED, _S.DISCARDED}),
    # Back to `planned`: what an apply needs is asked again when it starts.
    _S.CONFIRMED: frozenset({_S.APPLY_QUEUED, _S.PLANNED, _S.ERRORED, _S.CANCELED}),
    _S.APPLY_QUEUED: frozenset({_S.APPLYING, _S.PLANNED, _S.ERRORED, _S.CANCELED}),
    _S.APPLYING: frozenset({_S.APPLIED, _S.ERRORED, _S.CANCELED}),
    _S.APPLIED: frozenset(),
    _S.PLANNED_AND_FINISHED: frozenset(),
    _S.POLICY_SOFT_FAILED: frozenset(),
    _S.DISCARDED: frozenset(),
    _S.ERRORED: frozenset(),
    _S.CANCELED: frozenset(),
}

FINAL = frozenset(status for status, onward in TRANSITIONS.items() if not onward)

# A plan-only run ends its plan with `planned_and_finished`: it is never confirmed.
NEVER_FOR_PREVIEWS = frozenset(
    {_S.CONFIRMED, _S.APPLY_QUEUED, _S.APPLYING, _S.APPLIED, _S.POLICY_OVERRIDE, _S.DISCARDED}
)
NEVER_FOR_APPLYABLE = frozenset({_S.POLICY_SOFT_FAILED})
# Only of runs that save their plan.
OF_SAVED_PLANS = frozenset({_S.PLANNED_AND_SAVED})

# Statuses that wait for a person.
AWAITS_CONFIRMATION = frozenset({_S.PLANNED, _S.POLICY_CHECKED})
AWAITS_PERSON = AWAITS_CONFIRMATION | {_S.POLICY_OVERRIDE}
DISCARDABLE = frozenset(
    status
    for status in AWAITS_PERSON | {_S.PENDING, _S.PLANNED_AND_SAVED}
    if _S.DISCARDED in TRANSITIONS[status]
)
CANCELABLE = frozenset(status for status, onward in TRANSITIONS.items() if _S.CANCELED in onward)

# Statuses in which a worker has the run. If the worker dies, the expired lease shows it.
PLAN_STAGES = frozenset({_S.FETCHING, _S.FETCHING_COMPLETED, _S.PLAN_QUEUED, _S.PLANNING, _S.POLICY_CHECKING})
CONFIRMED_ALREADY = frozenset({_S.CONFIRMED, _S.APPLY_QUEUED})
APPLY_STAGES = frozenset({_S.CONFIRMED, _S.APPLY_QUEUED, _S.APPLYING})
WORKING = PLAN_STAGES | APPLY_STAGES
UNDER_WAY = WORKING | {RunStatus.PENDING}

# Statuses in which a run may wait for a worker. In the others that are under way, one has begun with it.
WAITS_FOR_WORKER = frozenset({_S.PENDING, _S.CONFIRMED, _S.APPLY_QUEUED})
AT_WORK = UNDER_WAY - WAITS_FOR_WORKER

# A run that may apply holds its workspace from its start to its end. A saved plan holds nothing.
HOLDS_WORKSPACE = frozenset(TRANSITIONS) - FINAL - {_S.PENDING, _S.PLANNED_AND_SAVED}

LABELS: dict[RunStatus, str] = {
    _S.PENDING: "Pending",
    _S.FETCHING: "Fetching",
    _S.FETCHING_COMPLETED: "Fetched",
    _S.PLAN_QUEUED: "Plan queued",
    _S.PLANNING: "Planning",
    _S.PLANNED: "Needs confirmation",
    _S.POLICY_CHECKING: "Checking policies",
    _S.POLICY_OVERRIDE: "Policy override",
    _S.POLICY_CHECKED: "Policies checked",
    _S.CONFIRMED: "Confirmed",
    _S.APPLY_QUEUED: "Apply queued",
    _S.APPLYING: "Applying",
    _S.APPLIED: "Applied",
    _S.PLANNED_AND_FINISHED: "Planned and finished",
    _S.PLANNED_AND_SAVED: "Plan saved",
    _S.POLICY_SOFT_FAILED: "Policy soft failed",
    _S.DISCARDED: "Discarded",
    _S.ERRORED: "Errored",
    _S.CANCELED: "Canceled",
}
