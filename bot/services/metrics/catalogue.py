"""Every metric that there is, in the order of docs/reference/metrics.md."""

from __future__ import annotations

from bot.services.ports import Metric, MetricKind

_MOMENTS = (0.01, 0.05, 0.1, 0.5, 1, 5, 15, 60, 300)
_STAGES = (0.5, 1, 2, 5, 10, 30, 60, 120, 300, 600, 1800, 3600, 7200)


def _counter(name: str, meaning: str, *labels: str, always: tuple[tuple[str, ...], ...] = ()) -> Metric:
    return Metric(f"plangate_{name}", MetricKind.COUNTER, meaning, labels, always=always)


def _gauge(name: str, meaning: str, *labels: str) -> Metric:
    return Metric(f"plangate_{name}", MetricKind.GAUGE, meaning, labels)


def _histogram(name: str, meaning: str, *labels: str, buckets: tuple[float, ...] = _MOMENTS) -> Metric:
    return Metric(f"plangate_{name}", MetricKind.HISTOGRAM, meaning, labels, buckets)


# --- counted as it happens ----------------------------------------------------------------------------------

WEBHOOKS = _counter(
    "webhooks_total",
    "Webhook calls: `accepted`, `repeated` (its id was known), `refused` (its signature is wrong), "
    "`not_stored`",
    "forge",
    "outcome",
)
DELIVERIES = _counter(
    "deliveries_total",
    "Stored deliveries that a worker took: `handled`, `retried` (the sweep tries again), `failed` (for good)",
    "forge",
    "outcome",
)
JOBS = _counter("jobs_total", "Jobs of workers: `done`, or `failed` by an error of ours", "job", "outcome")
JOB_SECONDS = _histogram("job_seconds", "How long jobs took", "job", buckets=_STAGES)
JOB_WAIT_SECONDS = _histogram("job_wait_seconds", "How long jobs waited for a worker", "queue")
RUNS_FINISHED = _counter(
    "runs_finished_total",
    "Runs that ended, by their last status; `kind` is `run` or `preview`",
    "status",
    "kind",
)
STAGE_SECONDS = _histogram(
    "stage_seconds",
    "How long runs stayed in a status before the next one",
    "status",
    "kind",
    buckets=_STAGES,
)
FORGE_CALLS = _counter(
    "forge_calls_total",
    "Requests to a forge's API, by the class of its answer: `2xx`, `3xx`, `4xx`, `5xx`, or `none`",
    "forge",
    "answer",
)
FORGE_SECONDS = _histogram("forge_call_seconds", "How long a forge's API took to answer", "forge")
FORGE_CALLS_LEFT = _gauge(
    "forge_calls_left", "Requests that the forge's rate limit leaves us, as its last answer said", "forge"
)
LEASES_LOST = _counter(
    "leases_lost_total",
    "Runs and reports that a worker lost to another one, by `run` or `report`",
    "of",
    always=(("run",), ("report",)),
)
SWEEPS = _counter("sweeps_total", "Searches of the database for lost work")
SWEPT_WORK = _counter("swept_work_total", "Pieces of work that sweeps found due")
REPORT_SECONDS = _histogram(
    "report_seconds", "From a change of a run to the report's end on the forge, all retries included"
)
POSTS = _counter(
    "posts_total",
    "Statuses, comments and other posts to a forge: `delivered`, `retried` or `refused`",
    "forge",
    "outcome",
)
STATE_PUSHES = _counter(
    "state_pushes_total",
    "States that Terraform uploaded: `stored`, or `refused` (kept aside, with the reason)",
    "outcome",
    always=(("stored",), ("refused",)),
)
SANDBOX_REFUSALS = _counter(
    "sandbox_refusals_total",
    "`no_sandbox`: runs refused because the sandbox does not work; `network`: runs that tried to reach an "
    "address that their network policy does not allow",
    "reason",
    always=(("no_sandbox",), ("network",)),
)

# --- measured when somebody asks ----------------------------------------------------------------------------

BUILD = _gauge("build_info", "Always 1; the label is the version that answers", "version")
DATABASE_UP = _gauge("database_up", "1 if the database answers, else 0")
DATABASE_SECONDS = _gauge("database_seconds", "How long the database took to answer just now")
REDIS_UP = _gauge("redis_up", "1 if Redis answers, else 0")
REDIS_SECONDS = _gauge("redis_seconds", "How long Redis took to answer just now")
QUEUE_JOBS = _gauge("queue_jobs", "Jobs that wait for a worker", "queue")
QUEUE_OLDEST_SECONDS = _gauge("queue_oldest_seconds", "How long the first job of a queue has waited", "queue")
WORKERS = _gauge("workers", "Workers that take jobs from a queue", "queue")
SWEEP_AGE_SECONDS = _gauge(
    "sweep_age_seconds", "Time since the last sweep. Missing if none has run since Redis started"
)
RUNS = _gauge(
    "runs",
    "Runs that have not ended, by status and by project of their workspace. Only the 50 projects with the "
    "most runs have a series of their own; the rest counts as `(others)`",
    "status",
    "project",
)
DELIVERIES_WAITING = _gauge("deliveries_waiting", "Stored deliveries that are not handled yet")
DELIVERIES_OLDEST_SECONDS = _gauge("deliveries_oldest_seconds", "Age of the oldest of these")
REPORTS_WAITING = _gauge("reports_waiting", "Changes and commits with a report that is due")
REPORTS_OLDEST_SECONDS = _gauge("reports_oldest_seconds", "How long the oldest of these has been due")

COUNTED = (
    WEBHOOKS,
    DELIVERIES,
    JOBS,
    JOB_SECONDS,
    JOB_WAIT_SECONDS,
    RUNS_FINISHED,
    STAGE_SECONDS,
    FORGE_CALLS,
    FORGE_SECONDS,
    FORGE_CALLS_LEFT,
    LEASES_LOST,
    SWEEPS,
    SWEPT_WORK,
    REPORT_SECONDS,
    POSTS,
    STATE_PUSHES,
    SANDBOX_REFUSALS,
)
"""Metrics that the Meter port counts."""

MEASURED = (
    BUILD,
    DATABASE_UP,
    DATABASE_SECONDS,
    REDIS_UP,
    REDIS_SECONDS,
    QUEUE_JOBS,
    QUEUE_OLDEST_SECONDS,
    WORKERS,
    SWEEP_AGE_SECONDS,
    RUNS,
    DELIVERIES_WAITING,
    DELIVERIES_OLDEST_SECONDS,
    REPORTS_WAITING,
    REPORTS_OLDEST_SECONDS,
)
"""Metrics that are measured at each scrape."""
