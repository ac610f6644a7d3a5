"""Wakes workers through RQ. Jobs are called by name and carry ids alone (promise 6).

The queues, in order of priority: `receive`, `apply`, `plan`, `preview`, `report`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from redis import ConnectionPool, Redis
from redis.connection import parse_url
from redis.exceptions import AuthenticationError, RedisError, ResponseError
from rq import Queue, Worker

from bot.domain.lifecycle import APPLY_STAGES
from bot.domain.run import Run

QUEUES = ("receive", "apply", "plan", "preview", "report")
LIGHT_QUEUES = ("receive", "report")
"""Those whose jobs run no code of a change and take moments."""

# In seconds. Terraform's own time limits end a job; RQ's is only there for one that hangs otherwise.
_LONGEST_JOB = 25 * 3600
_SHORT_JOB = 15 * 60
_SWEPT = "plangate:swept"


@dataclass(frozen=True)
class Condition:
    """How Redis and the workers are, for `plangate doctor`.

    `socket` is where Redis listens, None where that is an address. `open` says that it lets anybody in.
    `workers` and `waiting` count by queue; `swept_at` is None where nothing was swept since Redis began.
    """

    version: str
    socket: Path | None
    open: bool
    workers: Mapping[str, int]
    waiting: Mapping[str, int]
    swept_at: datetime | None


class RqDispatch:
    """The Dispatch port on RQ. Connects when it is first used, so that a fork has a connection of its own."""

    def __init__(self, redis_url: str) -> None:
        self._url = redis_url
        self._redis: Redis | None = None

    def receive(self, delivery_id: str, *, swept: bool = False) -> None:
        """Have a delivery handled."""
        self._enqueue("receive", "bot.jobs.receive", delivery_id, _SHORT_JOB, swept)

    def advance(self, run: Run, *, swept: bool = False) -> None:
        """Have a run carried on: applies first, then plans that may apply, then previews."""
        queue = "apply" if run.status in APPLY_STAGES else "preview" if run.plan_only else "plan"
        self._enqueue(queue, "bot.jobs.advance", run.id, _LONGEST_JOB, swept)

    def report(self, subject: str, *, swept: bool = False) -> None:
        """Have a subject reported."""
        self._enqueue("report", "bot.jobs.report", subject, _SHORT_JOB, swept)

    def replay(self, replay_id: str, *, swept: bool = False) -> None:
        """Have a change of a policy set tried on stored plans: behind everything that somebody plans."""
        self._enqueue("preview", "bot.jobs.replay", replay_id, _LONGEST_JOB, swept)

    def sweep(self, every: float) -> None:
        """Have the database looked through for what is due; once in so many seconds, whoever else asks."""
        try:
            if not self._connection().set("plangate:sweep asked", 1, nx=True, px=max(int(every * 900), 1)):
                return
        except RedisError as error:
            raise ConnectionError(f"Redis does not answer: {error}") from error
        self._enqueue("receive", "bot.jobs.sweep", None, _SHORT_JOB, swept=True)

    def ping(self) -> None:
        """Make sure that Redis answers. Raises ConnectionError."""
        try:
            self._connection().ping()
        except RedisError as error:
            raise ConnectionError(f"Redis does not answer: {error}") from error

    def note_sweep(self, at: datetime) -> None:
        """Remember when the last sweep was. It is only told to people: to lose it does no harm."""
        try:
            self._connection().set(_SWEPT, at.isoformat())
        except RedisError as error:
            raise ConnectionError(f"Redis does not answer: {error}") from error

    def condition(self) -> Condition:
        """Return how Redis and the workers are. Raises ConnectionError."""
        try:
            redis = self._connection()
            redis.ping()
            workers = Counter(
                name for worker in Worker.all(connection=redis) for name in worker.queue_names()
            )
            swept = redis.get(_SWEPT)
            options: Mapping[str, Any] = parse_url(self._url)  # type: ignore[no-untyped-call]  # as redis has it
            return Condition(
                version=_version(redis),
                socket=Path(options["path"]) if "path" in options else None,
                open=_lets_anybody_in(options),
                workers={name: workers[name] for name in QUEUES},
                waiting={name: Queue(name, connection=redis).count for name in QUEUES},
                swept_at=datetime.fromisoformat(swept.decode()) if isinstance(swept, bytes) else None,
            )
        except RedisError as error:
            raise ConnectionError(f"Redis does not answer: {error}") from error

    def _connection(self) -> Redis:
        if self._redis is None:
            self._redis = Redis.from_url(self._url, socket_connect_timeout=2, socket_timeout=5)
        return self._redis

    def _enqueue(self, queue: str, function: str, subject: str | None, timeout: int, swept: bool) -> None:
        try:
            place, note = Queue(queue, connection=self._connection()), f"plangate:swept:{function}:{subject}"
            if swept and self._waits(place, note):
                return
            # One round trip: RQ by itself makes two, and a webhook's answer waits for them.
            together = self._connection().pipeline()
            job = place.enqueue_call(
                function,
                args=() if subject is None else (subject,),
                timeout=timeout,
                result_ttl=0,
                failure_ttl=3600,
                pipeline=together,
            )
            if swept:
                together.set(note, job.id, ex=3600)
            together.execute()
        except RedisError as error:
            raise ConnectionError(f"Redis does not answer: {error}") from error

    def _waits(self, queue: Queue, note: str) -> bool:
        """Whether the job that an earlier sweep made still waits for a worker.

        The queue itself is asked. RQ's own `unique` would also count a job whose worker was killed, for as
        long as it is remembered: what it was to do would lie about for an hour.
        """
        noted = self._connection().get(note)
        return isinstance(noted, bytes) and self._connection().lpos(queue.key, noted.decode()) is not None


def _version(redis: Redis) -> str:
    try:
        said = redis.info("server")
    except ResponseError:
        return ""  # a user of Redis may be kept from asking
    name = "valkey" if "valkey_version" in said else "redis"
    return f"{name.capitalize()} {said.get(f'{name}_version', '')}".strip()


def _lets_anybody_in(options: Mapping[str, Any]) -> bool:
    """Try without name and password, as whoever else reaches this address could."""
    bare = {key: value for key, value in options.items() if key not in ("username", "password")}
    pool = ConnectionPool(**{**bare, "socket_connect_timeout": 2, "socket_timeout": 5})
    try:
        return bool(Redis(connection_pool=pool).ping())
    except (AuthenticationError, ResponseError):
        return False
    finally:
        pool.disconnect()
