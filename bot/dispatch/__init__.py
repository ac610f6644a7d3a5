"""Wakes workers through RQ. Jobs are called by name and carry only ids (promise 6).

The queues, in order of priority: `receive`, `report`, `apply`, `plan`, `preview`; what takes moments
comes first.
Which run a job starts is decided when a worker takes it: `bot/services/execution/turns.py`.

A report that is due later waits in a sorted set, and in no worker: idle workers move it to its queue in time.

Payloads are JSON, and a worker runs only the functions in `safe_jobs.JOBS`. People who can write to Redis can
start our own jobs and nothing else: RQ's default is pickle, which runs whatever code the payload names.
"""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path
from typing import Any

from redis import ConnectionPool, Redis
from redis.client import Pipeline
from redis.connection import parse_url
from redis.exceptions import AuthenticationError, RedisError, ResponseError
from rq import Queue, Worker
from rq.exceptions import DequeueTimeout
from rq.job import Job
from rq.serializers import JSONSerializer
from rq.worker_registration import WORKERS_BY_QUEUE_KEY

from bot.dispatch.safe_jobs import PlangateJob
from bot.domain.errors import PlangateError
from bot.domain.runs.lifecycle import APPLY_STAGES
from bot.domain.runs.run import Run
from bot.services.ports import QueueHealth, QueueLoad
from bot.services.tracing.context import traced_from, traceparent

log = logging.getLogger(__name__)

QUEUES = ("receive", "report", "apply", "plan", "preview")
TRACEPARENT = "traceparent"
"""The name in a job's `meta` of the place in a trace that it continues."""
RUN_QUEUES = ("apply", "plan", "preview")
"""Queues of runs, in order of priority. Each pool of workers has its own."""

LIGHT_QUEUES = ("receive", "report")
"""Queues whose jobs take moments and run no code of a change."""

# In seconds. The time limits of Terraform end a job. These end a job that hangs elsewhere.
_LONGEST_JOB = 25 * 3600
_SHORT_JOB = 15 * 60
_SWEPT = "plangate:swept"
_LATER = "plangate:reports later"
_LATER_TRACES = "plangate:reports later traces"
# In seconds: how often an idle worker looks for reports that are due.
_LOOK = 1.0
_ADVANCE = "bot.jobs.advance"
# Runs that are enqueued in one round trip.
_MOST_AT_ONCE = 500
# Reports that are moved to their queue at once.
_MOST_DUE = 100


class PlangateQueue(Queue):
    """A queue whose waiting workers also look for the reports that are due."""

    @classmethod
    def dequeue_any(  # type: ignore[override]  # the rest is RQ's own
        cls, queues: Iterable[Queue], timeout: int | None, connection: Redis, **how: Any
    ) -> tuple[Job, Queue] | None:
        """Return the next job; None, or DequeueTimeout, if there is none within `timeout` seconds."""
        listed = list(queues)
        report = next((each for each in listed if each.name == "report"), None)
        if report is None:
            return super().dequeue_any(listed, timeout, connection, **how)
        until = time.monotonic() + (timeout or 0)
        while True:
            soon = _move_due(connection, report)
            if timeout is None:
                return super().dequeue_any(listed, None, connection, **how)
            left = max(until - time.monotonic(), 0.01)
            try:
                # Redis takes fractions of a second. RQ's types know only whole ones.
                wait: Any = max(min(left, soon), 0.01)
                return super().dequeue_any(listed, wait, connection, **how)
            except DequeueTimeout:
                if time.monotonic() >= until:
                    raise


def queue_of(name: str, connection: Redis) -> Queue:
    """Return a queue whose payloads are JSON and whose jobs are checked when they are read."""
    return PlangateQueue(name, connection=connection, serializer=JSONSerializer, job_class=PlangateJob)


def _move_due(connection: Redis, queue: Queue) -> float:
    """Move the reports that are due to their queue. Return in how many seconds to look again."""
    now = time.time()
    found: list[tuple[bytes, float]] = connection.zrange(_LATER, 0, _MOST_DUE - 1, withscores=True)  # type: ignore[assignment]  # of all its kinds, this one
    for subject, at in found:
        if at > now:
            return min(at - now, _LOOK)
        # One of all workers removes it. If that one is killed now, the sweep finds the report.
        if connection.zrem(_LATER, subject):
            place: Any = connection.hget(_LATER_TRACES, subject)
            with traced_from(place and place.decode("utf-8", "replace")):
                _put(connection, queue, "bot.jobs.report", subject.decode("utf-8", "replace"), _SHORT_JOB)
            connection.hdel(_LATER_TRACES, subject)
    return _LOOK


def _put(connection: Redis, queue: Queue, function: str, subject: str | None, timeout: int) -> None:
    # One round trip instead of RQ's two: the answer to the webhook waits for it.
    together = connection.pipeline()
    _add(together, queue, function, subject, timeout)
    together.execute()


def _add(together: Pipeline, queue: Queue, function: str, subject: str | None, timeout: int) -> None:
    job = queue.enqueue_call(
        function,
        args=() if subject is None else (subject,),
        timeout=timeout,
        result_ttl=0,
        failure_ttl=3600,
        meta={TRACEPARENT: place} if (place := traceparent()) else None,
        pipeline=together,
    )
    together.set(_note(function, subject), job.id, ex=3600)


def pool_queue(name: str, pool: str) -> str:
    """Return the name of a queue of runs in a pool; those of no pool have the bare name."""
    return f"{name}:{pool}" if pool else name


def _queue_name(run: Run) -> str:
    return "apply" if run.status in APPLY_STAGES else "preview" if run.plan_only else "plan"


PoolsOf = Callable[[Sequence[str]], Mapping[str, str]]
"""Returns the pools of workspaces by their ids. Raises PlangateError."""


def _no_pools(_: Sequence[str]) -> Mapping[str, str]:
    return {}


def _note(function: str, subject: str | None) -> str:
    return f"plangate:queued:{function}:{subject}"


class RqDispatch:
    """The Dispatch and Queues ports on RQ.

    Connects on first use, so that each fork has its own connection. `pools` are the pools that have queues of
    their own, and `pools_of` says which pool a workspace belongs to.
    """

    def __init__(self, redis_url: str, pools: Sequence[str] = (), pools_of: PoolsOf = _no_pools) -> None:
        self._url = redis_url
        self._pools = tuple(pools)
        self._pools_of = pools_of
        self._redis: Redis | None = None

    def receive(self, delivery_id: str, *, swept: bool = False) -> None:
        """Enqueue a delivery."""
        self._enqueue("receive", "bot.jobs.receive", delivery_id, _SHORT_JOB, swept)

    def advance(self, run: Run, *, swept: bool = False) -> None:
        """Enqueue a run: applies first, then plans that may apply, then previews."""
        self._enqueue(self._queues_for([run])[run.id], _ADVANCE, run.id, _LONGEST_JOB, swept)

    def advance_all(self, runs: Sequence[Run], *, swept: bool = False) -> None:
        """Enqueue many runs, some hundreds in a round trip."""
        names = self._queues_for(runs)
        left = sorted(runs, key=lambda run: names[run.id])
        try:
            for name, those in groupby(left, lambda run: names[run.id]):
                place, ids = queue_of(name, self._connection()), [run.id for run in those]
                for begin in range(0, len(ids), _MOST_AT_ONCE):
                    part = ids[begin : begin + _MOST_AT_ONCE]
                    self._enqueue_runs(place, self._without_jobs(place, part) if swept else part)
        except RedisError as error:
            raise ConnectionError(f"Redis does not answer: {error}") from error

    def report(self, subject: str, *, swept: bool = False) -> None:  # noqa: ARG002
        """Enqueue the report of a change or commit, unless one waits already: that one tells all."""
        self._enqueue("report", "bot.jobs.report", subject, _SHORT_JOB, once=True)

    def report_later(self, subject: str, at: datetime) -> None:
        """Enqueue the report of a change or commit at a time. A later call for it sets another time."""
        try:
            if place := traceparent():
                self._connection().hset(_LATER_TRACES, subject, place)
            self._connection().zadd(_LATER, {subject: at.timestamp()})
        except RedisError as error:
            raise ConnectionError(f"Redis does not answer: {error}") from error

    def replay(self, replay_id: str, *, swept: bool = False) -> None:
        """Enqueue a policy replay, in the queue with the lowest priority."""
        self._enqueue("preview", "bot.jobs.replay", replay_id, _LONGEST_JOB, swept)

    def forecast(self, *, swept: bool = False) -> None:  # noqa: ARG002
        """Enqueue a look at the forecasts in the queue with the lowest priority, unless one waits already."""
        self._enqueue("preview", "bot.jobs.forecast", None, _SHORT_JOB, once=True)

    def check_drift(self, *, swept: bool = False) -> None:  # noqa: ARG002
        """Enqueue a look at the drift checks, with the lowest priority, unless one waits already."""
        self._enqueue("preview", "bot.jobs.check_drift", None, _SHORT_JOB, once=True)

    def catch_up(self, repo: str, *, swept: bool = False) -> None:
        """Enqueue the comparison of a repository with its forge, among the reports."""
        self._enqueue("report", "bot.jobs.catch_up", repo, _SHORT_JOB, swept)

    def check_hook(self, hook: str, *, swept: bool = False) -> None:
        """Enqueue a look at the failed deliveries of a webhook, among the reports."""
        self._enqueue("report", "bot.jobs.check_hook", hook, _SHORT_JOB, swept)

    def notify(self, destination: str, *, swept: bool = False) -> None:  # noqa: ARG002
        """Enqueue the messages to a destination, among the reports, unless a job for it waits already."""
        self._enqueue("report", "bot.jobs.notify", destination, _SHORT_JOB, once=True)

    def sweep(self, every: float) -> None:
        """Enqueue a sweep, at most once in `every` seconds over all processes."""
        try:
            if not self._connection().set("plangate:sweep asked", 1, nx=True, px=max(int(every * 900), 1)):
                return
        except RedisError as error:
            raise ConnectionError(f"Redis does not answer: {error}") from error
        self._enqueue("receive", "bot.jobs.sweep", None, _SHORT_JOB, once=True)

    def ping(self) -> None:
        """Make sure that Redis answers. Raises ConnectionError."""
        try:
            self._connection().ping()
        except RedisError as error:
            raise ConnectionError(f"Redis does not answer: {error}") from error

    def open_to_anybody(self) -> bool:
        """Whether Redis listens on TCP and lets anybody in who reaches it. Raises ConnectionError."""
        options: Mapping[str, Any] = parse_url(self._url)  # type: ignore[no-untyped-call]  # redis has no types here
        try:
            return "path" not in options and _lets_anybody_in(options)
        except RedisError as error:
            raise ConnectionError(f"Redis does not answer: {error}") from error

    def note_sweep(self, at: datetime) -> None:
        """Store when the last sweep was. `plangate doctor` shows it. Losing it does no harm."""
        try:
            self._connection().set(_SWEPT, at.isoformat())
        except RedisError as error:
            raise ConnectionError(f"Redis does not answer: {error}") from error

    def swept_at(self) -> datetime | None:
        """Return when the last sweep was, None if there was none since Redis started."""
        try:
            return _moment(self._connection().get(_SWEPT))
        except RedisError as error:
            raise ConnectionError(f"Redis does not answer: {error}") from error

    def load(self) -> Mapping[str, QueueLoad]:
        """Return what waits, by queue. Raises ConnectionError."""
        try:
            together = self._connection().pipeline(transaction=False)
            queues = [queue_of(name, self._connection()) for name in self._names()]
            for queue in queues:
                together.llen(queue.key)
                together.lindex(queue.key, 0)
                together.scard(WORKERS_BY_QUEUE_KEY % queue.name)
            found = together.execute()
            for job in found[1::3]:
                together.hget(Job.key_for(job.decode()) if isinstance(job, bytes) else "", "enqueued_at")
            since = map(_moment, together.execute())
            return {
                queue.name: QueueLoad(found[3 * i], at, found[3 * i + 2])
                for i, (queue, at) in enumerate(zip(queues, since, strict=True))
            }
        except RedisError as error:
            raise ConnectionError(f"Redis does not answer: {error}") from error

    def condition(self) -> QueueHealth:
        """Return the health of Redis and the workers. Raises ConnectionError."""
        try:
            redis = self._connection()
            redis.ping()
            workers = Counter(
                name for worker in Worker.all(connection=redis) for name in worker.queue_names()
            )
            options: Mapping[str, Any] = parse_url(self._url)  # type: ignore[no-untyped-call]  # redis has no types here
            return QueueHealth(
                version=_version(redis),
                socket=Path(options["path"]) if "path" in options else None,
                open=_lets_anybody_in(options),
                workers={name: workers[name] for name in self._names()},
                waiting={name: queue_of(name, redis).count for name in self._names()},
                swept_at=_moment(redis.get(_SWEPT)),
            )
        except RedisError as error:
            raise ConnectionError(f"Redis does not answer: {error}") from error

    def _names(self) -> Sequence[str]:
        """Return the names of all queues."""
        return (*QUEUES, *(pool_queue(name, pool) for pool in self._pools for name in RUN_QUEUES))

    def _queues_for(self, runs: Sequence[Run]) -> Mapping[str, str]:
        """Return the queue of each run, by the runs' ids. Raises ConnectionError: the sweep then does it."""
        pools: Mapping[str, str] = {}
        if self._pools:
            try:
                pools = self._pools_of(sorted({run.workspace_id for run in runs}))
            except PlangateError as error:
                raise ConnectionError(f"the pools of workspaces can't be read: {error}") from error
        return {run.id: pool_queue(_queue_name(run), pools.get(run.workspace_id, "")) for run in runs}

    def _connection(self) -> Redis:
        if self._redis is None:
            self._redis = Redis.from_url(self._url, socket_connect_timeout=2, socket_timeout=5)
        return self._redis

    def _enqueue(self, queue: str, function: str, subject: str | None, timeout: int, once: bool) -> None:
        """Enqueue a job. With `once`, only if no earlier one for the same waits."""
        try:
            place = queue_of(queue, self._connection())
            if once and self._waits(place, _note(function, subject)):
                return
            _put(self._connection(), place, function, subject, timeout)
        except RedisError as error:
            raise ConnectionError(f"Redis does not answer: {error}") from error

    def _enqueue_runs(self, queue: Queue, run_ids: Sequence[str]) -> None:
        together = self._connection().pipeline()
        for run_id in run_ids:
            _add(together, queue, _ADVANCE, run_id, _LONGEST_JOB)
        together.execute()

    def _without_jobs(self, queue: Queue, run_ids: Sequence[str]) -> Sequence[str]:
        """Return the runs that no waiting job is for."""
        noted: list[bytes | None] = self._connection().mget([_note(_ADVANCE, each) for each in run_ids])  # type: ignore[assignment]  # of all its kinds, this one
        waiting: list[bytes] = self._connection().lrange(queue.key, 0, -1) if any(noted) else []  # type: ignore[assignment]  # of all its kinds, this one
        known = frozenset(waiting)
        return [run_id for run_id, job in zip(run_ids, noted, strict=True) if job not in known]

    def _waits(self, queue: Queue, note: str) -> bool:
        """Whether an earlier job for the same still waits for a worker.

        This looks into the queue. RQ's own `unique` also counts a job whose worker was killed, so its work
        would wait for an hour.
        """
        noted = self._connection().get(note)
        return isinstance(noted, bytes) and self._connection().lpos(queue.key, noted.decode()) is not None


def _moment(text: object) -> datetime | None:
    """Read a time in UTC that we or RQ wrote. None if there is none: the text may be hostile."""
    try:
        found = datetime.fromisoformat(text.decode()) if isinstance(text, bytes) else None
    except ValueError:
        return None
    return found if found is None or found.tzinfo else found.replace(tzinfo=UTC)


def _version(redis: Redis) -> str:
    try:
        said = redis.info("server")
    except ResponseError:
        return ""  # this user of Redis may not run INFO
    name = "valkey" if "valkey_version" in said else "redis"
    return f"{name.capitalize()} {said.get(f'{name}_version', '')}".strip()


def _lets_anybody_in(options: Mapping[str, Any]) -> bool:
    """Try to connect without name and password, as anybody on the network could."""
    bare = {key: value for key, value in options.items() if key not in ("username", "password")}
    pool = ConnectionPool(**{**bare, "socket_connect_timeout": 2, "socket_timeout": 5})
    try:
        return bool(Redis(connection_pool=pool).ping())
    except (AuthenticationError, ResponseError):
        return False
    finally:
        pool.disconnect()
