"""`/metrics`: Prometheus's own parser reads it, only who has the token does, and its labels stay few."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from bot.domain.events import RepoRef
from bot.domain.ids import new_id
from bot.domain.runs.lifecycle import RunStatus
from bot.domain.runs.run import RunEvent
from bot.domain.workspaces.workspace import Workspace
from bot.services.metrics import catalogue
from bot.services.metrics.measure import MOST_PROJECTS, MOST_SERIES, OTHERS
from bot.services.ports import Metric, MetricKind, QueueLoad, SeriesPart
from tests.store.samples import run as sample_run
from tests.web.conftest import METRICS_TOKENS, World

Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]


def scraped(world: World) -> Samples:
    """What Prometheus reads: the numbers by name and labels."""
    answer = world.app.test_client().get("/metrics", headers={"Authorization": f"Bearer {METRICS_TOKENS[0]}"})
    assert answer.status_code == 200, answer.get_data(as_text=True)
    families = text_string_to_metric_families(answer.get_data(as_text=True))
    samples = [sample for family in families for sample in family.samples]
    found = {(each.name, tuple(sorted(each.labels.items()))): each.value for each in samples}
    assert len(found) == len(samples), "a series is there twice"
    return found


def number(samples: Samples, metric: Metric, suffix: str = "", **labels: str) -> float:
    return samples[metric.name + suffix, tuple(sorted(labels.items()))]


def test_every_kind_of_metric_is_read_by_prometheus(world: World) -> None:
    meter = world.services.meter
    meter.count(catalogue.JOBS, 3, job="advance", outcome="done")
    meter.set(catalogue.FORGE_CALLS_LEFT, 4999, forge="hub")
    for seconds in (0.2, 0.7, 100_000):
        meter.observe(catalogue.JOB_SECONDS, seconds, job="advance")
    world.dispatch.waiting = {"plan": QueueLoad(7, world.services.clock.now() - timedelta(minutes=5), 2)}
    world.dispatch.note_sweep(world.services.clock.now() - timedelta(seconds=30))

    found = scraped(world)

    assert number(found, catalogue.JOBS, job="advance", outcome="done") == 3
    assert number(found, catalogue.FORGE_CALLS_LEFT, forge="hub") == 4999
    bucket = {
        le: number(found, catalogue.JOB_SECONDS, "_bucket", job="advance", le=le) for le in ("0.5", "1")
    }
    assert bucket == {"0.5": 1, "1": 2}
    assert number(found, catalogue.JOB_SECONDS, "_bucket", job="advance", le="+Inf") == 3
    assert number(found, catalogue.JOB_SECONDS, "_count", job="advance") == 3
    assert number(found, catalogue.JOB_SECONDS, "_sum", job="advance") == pytest.approx(100_000.9)
    assert number(found, catalogue.QUEUE_JOBS, queue="plan") == 7
    assert number(found, catalogue.QUEUE_OLDEST_SECONDS, queue="plan") == 300
    assert number(found, catalogue.WORKERS, queue="plan") == 2
    assert number(found, catalogue.SWEEP_AGE_SECONDS) == 30
    assert number(found, catalogue.DATABASE_UP) == number(found, catalogue.REDIS_UP) == 1


def test_a_webhook_is_counted_by_its_outcome(world: World) -> None:
    path, headers = world.deliver(b"{}")
    for _ in range(2):
        assert world.client.post(path, data=b"{}", headers=headers).status_code in (200, 202)
    world.client.post(path, data=b"{}", headers=headers | {"X-Hub-Signature-256": "sha256=0"})
    world.client.post("/hooks/invented", data=b"{}", headers=headers)
    outcomes = {
        dict(labels)["outcome"]: value
        for (name, labels), value in scraped(world).items()
        if name == catalogue.WEBHOOKS.name
    }
    assert outcomes == {"accepted": 1, "repeated": 1, "refused": 1}


def test_a_counter_of_few_known_series_begins_at_zero(world: World) -> None:
    assert number(scraped(world), catalogue.STATE_PUSHES, outcome="refused") == 0
    world.services.meter.count(catalogue.STATE_PUSHES, outcome="refused")
    assert number(scraped(world), catalogue.STATE_PUSHES, outcome="refused") == 1


def test_redis_that_is_down_leaves_the_metrics_of_the_database(world: World) -> None:
    world.dispatch.down = True
    found = scraped(world)
    assert number(found, catalogue.REDIS_UP) == 0
    assert number(found, catalogue.DATABASE_UP) == 1
    assert number(found, catalogue.DELIVERIES_WAITING) == 0
    assert not any(name.startswith(catalogue.QUEUE_JOBS.name) for name, _ in found)


@pytest.mark.parametrize(
    "header",
    [
        {},
        {"Authorization": "Bearer wrong"},
        {"Authorization": f"Basic {'a' * 16}"},
        {"Authorization": "Bearer "},
    ],
    ids=["none", "wrong", "another scheme", "empty"],
)
def test_without_the_token_nothing_is_told(world: World, header: dict[str, str]) -> None:
    answer = world.client.get("/metrics", headers=header)
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"] == "Bearer"
    assert b"plangate_" not in answer.data


def test_a_second_token_opens_it_too_while_the_first_is_changed(world: World) -> None:
    answer = world.client.get("/metrics", headers={"Authorization": f"Bearer {METRICS_TOKENS[1]}"})
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"


def test_without_a_token_in_the_settings_there_is_no_such_page(world: World) -> None:
    client = world.with_settings(metrics_tokens=())
    for header in ({}, {"Authorization": "Bearer "}):
        assert client.get("/metrics", headers=header).status_code == 404


def test_the_labels_stay_few_with_two_thousand_workspaces_and_five_thousand_changes(world: World) -> None:
    _fill(world, workspaces=2000, changes=5000)
    meter = world.services.meter
    for status in RunStatus:
        for kind in ("run", "preview"):
            meter.count(catalogue.RUNS_FINISHED, status=status.value, kind=kind)
            meter.observe(catalogue.STAGE_SECONDS, 1, status=status.value, kind=kind)

    found = scraped(world)

    series = Counter(name for name, _ in found)
    assert max(series.values()) <= 700, series.most_common(3)
    assert sum(series.values()) <= 1500
    values = {value for _, labels in found for _, value in labels}
    assert not any(value.startswith(("ws-", "run-", "net-", "change")) for value in values)
    projects = {dict(labels)["project"] for name, labels in found if name == catalogue.RUNS.name}
    assert len(projects) == MOST_PROJECTS + 1
    assert OTHERS in projects
    total = sum(value for (name, _), value in found.items() if name == catalogue.RUNS.name)
    assert total == 5000


def _fill(world: World, workspaces: int, changes: int) -> None:
    """As many previews of as many changes, all waiting, in workspaces of two hundred projects."""
    places = [
        Workspace(new_id("ws"), f"net-{n}", RepoRef("hub", f"acme/r{n}"), f"d{n}", project=f"p{n % 200}")
        for n in range(workspaces)
    ]
    with world.services.store.transaction() as tx:
        for place in places:
            tx.workspaces.put(place)
    for start in range(0, changes, 500):
        new: list[tuple[Any, RunEvent]] = []
        for n in range(start, start + 500):
            one = sample_run(places[n % workspaces], plan_only=True, change_number=n)
            new.append((one, RunEvent(one.id, one.created_at, "pending", "ann", "")))
        with world.services.store.transaction() as tx:
            tx.runs.add_all(new)
            tx.posts.mark_due(world.services.clock.now(), *(f"change:{n}" for n in range(start, start + 500)))


def test_what_somebody_writes_into_redis_can_not_blow_up_the_answer(world: World) -> None:
    meter = world.services.meter
    for n in range(3000):
        meter.count(catalogue.WEBHOOKS, forge=f"forge-{n}", outcome="accepted")
    meter._add(  # type: ignore[attr-defined]
        {
            SeriesPart("plangate_invented_total", "", ()): 1,
            SeriesPart(catalogue.JOBS.name, "", ("too", "many", "labels")): 1,
            SeriesPart(catalogue.JOBS.name, "", ('a"b\n# HELP x', "done")): 1,
            SeriesPart(catalogue.JOB_SECONDS.name, "nonsense", ("advance",)): 2,
        }
    )
    found = scraped(world)
    assert sum(name == catalogue.WEBHOOKS.name for name, _ in found) == MOST_SERIES
    assert not any(name.startswith("plangate_invented") for name, _ in found)
    assert number(found, catalogue.JOBS, job='a"b\n# HELP x', outcome="done") == 1
    assert number(found, catalogue.JOB_SECONDS, "_count", job="advance") == 2


def test_each_metric_has_a_name_as_prometheus_wants_it() -> None:
    for metric in (*catalogue.COUNTED, *catalogue.MEASURED):
        assert metric.name.startswith("plangate_")
        assert metric.name.endswith("_total") == (metric.kind is MetricKind.COUNTER), metric.name
        assert list(metric.buckets) == sorted(metric.buckets)
        assert bool(metric.buckets) == (metric.kind is MetricKind.HISTOGRAM)
        assert len(metric.labels) <= 2
