"""What is counted as it happens: once, after the transaction, with few labels."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest

from bot.domain.errors import Conflict, ForgeUnavailable, Invalid
from bot.domain.events import Ignored
from bot.domain.runs.lifecycle import RunStatus
from bot.services.metrics.catalogue import (
    DELIVERIES,
    FORGE_CALLS_LEFT,
    LEASES_LOST,
    POSTS,
    REPORT_SECONDS,
    RUNS_FINISHED,
    STAGE_SECONDS,
    STATE_PUSHES,
    WEBHOOKS,
)
from bot.services.metrics.series import SUM, part_of, parts_of_value
from bot.services.outbox.wake import Wake
from bot.services.ports import Metric, MetricKind
from bot.services.runs.transitions import lease_of
from bot.services.states.backend import Access
from tests.fakes.engine import change
from tests.fakes.house import WRITER, House

SIZES = Metric("sizes", MetricKind.HISTOGRAM, "", ("of",), (1, 10))


def test_a_run_that_ends_is_counted_by_its_last_status_and_each_status_by_its_length(house: House) -> None:
    house.engine.will_find("net", change("aws_vpc.main"))
    house.workspace("net")
    house.push("c1", "net/main.tf")
    house.controls.confirm(house.only_run().id, WRITER)
    house.work()
    house.open_change(1, "h1", "net/main.tf")

    assert house.meter.counted(RUNS_FINISHED) == {
        ("planned_and_finished", "preview"): 1,
        ("applied", "run"): 1,
    }
    left = house.meter.counted(STAGE_SECONDS)
    assert left["planning", "preview"] == left["planning", "run"] == left["applying", "run"] == 1
    assert ("applied", "run") not in left


def test_a_change_of_a_run_that_is_rolled_back_is_not_counted(house: House) -> None:
    house.workspace("net")
    house.push("c1", "net/main.tf", work=False)
    house.work("receive")
    run, wake = house.only_run(), Wake()
    with pytest.raises(Conflict), house.store.transaction() as tx:
        house.transitions.carry_out(
            tx, run.id, lambda _, found: [house.transitions.moved(found, RunStatus.CANCELED)], wake
        )
        raise Conflict("somebody was quicker")
    assert house.meter.counted(RUNS_FINISHED) == {}
    house.controls.discard(run.id, WRITER)
    assert house.meter.counted(RUNS_FINISHED) == {("discarded", "run"): 1}


def test_deliveries_are_counted_by_what_became_of_them(house: House) -> None:
    house.workspace("net")
    handled = house.deliver(Ignored("nothing to do"))
    retried = house.deliver(ForgeUnavailable("away"))
    house.intake.handle(handled)
    house.intake.handle(handled)
    house.intake.handle(retried)
    assert house.meter.counted(DELIVERIES) == {("github", "handled"): 1, ("github", "retried"): 1}
    house.clock.forward(days=2)
    house.intake.handle(retried)
    assert house.meter.counted(DELIVERIES)["github", "failed"] == 1


def test_posts_and_the_delay_of_reports_are_counted(house: House) -> None:
    house.workspace("net")
    house.open_change(1, "h1", "net/main.tf")
    assert house.meter.counted(POSTS)["github", "delivered"] >= 2
    assert sum(house.meter.counted(REPORT_SECONDS).values()) >= 1
    before = dict(house.meter.counted(POSTS))
    house.forge.fail(ForgeUnavailable("away"), "set_status")
    house.update_change(1, "h2", "net/main.tf")
    assert house.meter.counted(POSTS).get(("github", "retried"), 0) > before.get(("github", "retried"), 0)


def test_a_lost_lease_is_counted(house: House) -> None:
    house.workspace("net")
    house.push("c1", "net/main.tf", work=False)
    house.work("receive")
    run = house.only_run()

    def taken_away(_: object) -> None:
        house.clock.forward(hours=1)
        with house.store.transaction() as tx:
            assert tx.leases.take(lease_of(run.id), "another", house.clock.now(), house.limits.lease)

    house.engine.during("plan", taken_away)
    house.work("plan")
    assert house.meter.counted(LEASES_LOST) == {("run",): 1}


def test_state_pushes_are_counted_by_whether_they_were_stored(house: House) -> None:
    house.engine.will_find("net", change("aws_vpc.main"))
    place = house.workspace("net")
    house.push("c1", "net/main.tf")
    run, states = house.only_run(), house.services.states

    def pushes(_: object) -> None:
        token = states.token(run.id, place.id, Access.WRITE, house.clock.now() + timedelta(hours=1))
        grant = states.admit(place.id, run.id, token)
        assert grant is not None
        states.push(grant, json.dumps({"version": 4, "serial": 1, "lineage": "a"}).encode())
        with pytest.raises(Invalid):
            states.push(grant, b"nonsense")

    house.engine.during("apply", pushes)
    house.controls.confirm(run.id, WRITER)
    house.work()
    assert house.meter.counted(STATE_PUSHES) == {("stored",): 1, ("refused",): 1}


def test_a_value_falls_into_the_first_bucket_that_holds_it() -> None:
    for value, bucket in ((0.5, "1"), (1, "1"), (1.5, "10"), (10, "10"), (11, "+Inf")):
        parts = {part.part: number for part, number in parts_of_value(SIZES, value, {"of": "x"}).items()}
        assert parts == {bucket: 1, SUM: value}


def test_a_count_needs_exactly_the_labels_of_its_metric() -> None:
    with pytest.raises(ValueError, match="has the labels"):
        part_of(WEBHOOKS, MetricKind.COUNTER, {"forge": "hub"})
    with pytest.raises(ValueError, match="has the labels"):
        part_of(WEBHOOKS, MetricKind.COUNTER, {"forge": "hub", "outcome": "accepted", "run": "run-1"})
    with pytest.raises(ValueError, match="is a gauge"):
        part_of(FORGE_CALLS_LEFT, MetricKind.COUNTER, {"forge": "hub"})


def test_a_long_value_of_a_label_is_cut() -> None:
    part = part_of(WEBHOOKS, MetricKind.COUNTER, {"forge": "f" * 5000, "outcome": "accepted"})
    assert max(map(len, part.values)) == 100
