"""Force-cancel: after a cancel and a cool-off, by an administrator; the worker kills, or the run ends."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from functools import partial

import pytest

from bot.domain.errors import Forbidden, IllegalMove
from bot.domain.people.permissions import Person, Role
from bot.domain.runs.lifecycle import RunStatus, StageStatus
from bot.services.execution.watch import RunWatch
from bot.services.ports import EngineJob, Limits, WatchSignal
from tests.fakes.engine import change
from tests.fakes.house import WRITER, House
from tests.store.racing import in_threads

BUCKET = change("aws_s3_bucket.logs", "create", after={"name": "logs"})
ADMIN = Person("ada", Role.ADMIN)


@pytest.fixture
def planned(build: Callable[..., House]) -> House:
    house = build(limits=Limits(cool_off=timedelta(seconds=30)))
    house.workspace("network")
    house.engine.will_find("network", BUCKET)
    house.push("c1", "network/main.tf")
    house.push("c2", "network/main.tf", before="c1")
    return house


def while_it_applies(house: House, do: Callable[[str], None]) -> str:
    """Confirm the first run, and do something in the midst of its apply."""
    run = house.runs()[0]
    house.engine.during("apply", lambda job: do(job.run_id))
    house.controls.confirm(run.id, WRITER)
    house.work()
    return run.id


def test_it_comes_after_a_cancel_and_the_cool_off_and_tells_the_worker_to_kill(planned: House) -> None:
    told: list[WatchSignal] = []

    def force(run_id: str) -> None:
        fence = 2  # the plan had the first lease, the apply has the second
        watch = RunWatch(planned.store, planned.clock, planned.limits, run_id, fence, "apply")
        told.append(watch.tick())
        with pytest.raises(IllegalMove, match="force-cancel comes after a cancel; possible now: cancel"):
            planned.controls.force_cancel(run_id, ADMIN)
        planned.controls.cancel(run_id, WRITER)
        told.append(watch.tick())
        planned.clock.forward(seconds=29)
        with pytest.raises(IllegalMove, match="give Terraform 1 more seconds"):
            planned.controls.force_cancel(run_id, ADMIN)
        planned.clock.forward(seconds=1)
        with pytest.raises(Forbidden, match="force-cancel needs admin access"):
            planned.controls.force_cancel(run_id, WRITER)
        asked = planned.controls.force_cancel(run_id, ADMIN, "it hangs")
        assert asked.status is RunStatus.APPLYING, "its worker ends it"
        told.append(watch.tick())
        with pytest.raises(IllegalMove, match="is being killed already"):
            planned.controls.force_cancel(run_id, ADMIN)

    run = planned.run(while_it_applies(planned, force))
    assert told == [WatchSignal.GO_ON, WatchSignal.INTERRUPT, WatchSignal.KILL]
    assert (run.status, run.apply_status) == (RunStatus.CANCELED, StageStatus.CANCELED)
    assert planned.statuses() == ["canceled", "planned"]
    line = next(event for event in planned.timeline(run) if event.kind == "force-cancel requested")
    assert (line.actor, line.message) == ("ada", "it hangs")


@pytest.mark.parametrize("stage", ["fetch", "plan"])
def test_a_plan_whose_worker_was_lost_after_the_cancel_is_ended_at_once(
    build: Callable[..., House], stage: str
) -> None:
    house = build(limits=Limits(cool_off=timedelta(seconds=30)))
    house.workspace("network")
    house.push("c1", "network/main.tf", work=False)
    house.work("receive")
    house.killed_while(stage, house.work)
    house.dispatch.lose_everything()
    run = house.only_run()
    assert house.controls.cancel(run.id, WRITER).cancel_requested_at is not None
    house.clock.forward(minutes=2)
    assert house.controls.force_cancel(run.id, ADMIN).status is RunStatus.CANCELED
    house.sweep(minutes=2)
    assert house.statuses() == ["canceled"]


def test_a_finished_run_can_not_be_force_canceled(planned: House) -> None:
    run = planned.controls.discard(planned.runs()[1].id, WRITER)
    with pytest.raises(IllegalMove, match="it is finished: retry it"):
        planned.controls.force_cancel(run.id, ADMIN)


@pytest.mark.parametrize("attempt", range(3))
def test_of_two_who_cancel_one_wins_and_the_other_is_told(planned: House, attempt: int) -> None:
    run = planned.runs()[1]
    results = in_threads([partial(planned.controls.cancel, run.id, p) for p in (WRITER, ADMIN)])
    refused = [each for each in results if isinstance(each, IllegalMove)]
    assert len(refused) == 1
    assert "is canceled and can't be canceled" in str(refused[0])
    assert planned.kinds(run).count("canceled") == 1


@pytest.mark.parametrize("attempt", range(3))
def test_a_cancel_that_races_a_worker_stops_the_run_or_finds_it_stopped(
    build: Callable[..., House], attempt: int
) -> None:
    house = build()
    house.workspace("network", auto_apply=True)
    house.engine.will_find("network", BUCKET)
    house.push("c1", "network/main.tf", work=False)
    house.work("receive")
    run = house.only_run()
    canceled, _ = in_threads(
        [lambda: house.controls.cancel(run.id, WRITER), lambda: house.execution.advance(run.id)]
    )
    house.work()
    house.sweep(minutes=2)
    assert house.only_run().final
    if isinstance(canceled, IllegalMove):
        assert house.only_run().status is RunStatus.APPLIED
    else:
        assert house.only_run().status in (RunStatus.CANCELED, RunStatus.DISCARDED)
        assert len(house.engine.applied) <= 1


@pytest.mark.parametrize("attempt", range(3))
def test_of_two_who_retry_both_get_a_run_of_their_own_in_order(planned: House, attempt: int) -> None:
    run = planned.controls.discard(planned.runs()[1].id, WRITER)
    made = in_threads([partial(planned.controls.retry, run.id, p) for p in (WRITER, ADMIN)])
    assert len({each.id for each in made}) == 2
    assert len({each.sequence for each in made}) == 2


def test_the_next_run_is_not_planned_before_the_killed_one_is_final(planned: House) -> None:
    during: list[str] = []

    def force(run_id: str) -> None:
        planned.controls.cancel(run_id, WRITER)
        planned.clock.forward(seconds=30)
        planned.controls.force_cancel(run_id, ADMIN)
        planned.work("plan")
        during.append(planned.runs()[1].status.value)

    while_it_applies(planned, force)
    assert during == ["pending"]
    assert planned.statuses() == ["canceled", "planned"]


def test_the_job_of_a_killed_apply_leaves_no_working_tree(planned: House) -> None:
    jobs: list[EngineJob] = []

    def force(run_id: str) -> None:
        jobs.append(planned.engine.jobs[-1])
        planned.controls.cancel(run_id, WRITER)
        planned.clock.forward(seconds=30)
        planned.controls.force_cancel(run_id, ADMIN)

    while_it_applies(planned, force)
    assert jobs[0].run_id not in planned.engine.trees
