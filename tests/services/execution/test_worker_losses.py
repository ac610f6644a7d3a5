"""Workers that die, are late or are many: no run is lost, none is applied twice (promise 3)."""

from __future__ import annotations

from typing import Any

import pytest

from bot.domain.errors import EngineError, ForgeUnavailable, StoreUnavailable
from bot.domain.reports.report import StatusState
from bot.domain.runs.lifecycle import RunStatus
from bot.domain.runs.run import CUT_OFF
from bot.services.execution.restart import KILLS, MOST
from bot.services.ports import ApplyResult
from bot.services.runs.transitions import lease_of
from tests.fakes.engine import change
from tests.fakes.house import WRITER, House

BUCKET = change("aws_s3_bucket.logs", "create", after={"name": "logs"})


@pytest.fixture
def planned(house: House) -> House:
    house.workspace("network")
    house.engine.will_find("network", BUCKET)
    house.push("c1", "network/main.tf")
    return house


def confirm(house: House) -> None:
    house.controls.confirm(house.only_run().id, WRITER)


@pytest.mark.parametrize("stage", ["fetch", "plan"])
def test_a_worker_killed_while_it_plans_is_replaced_and_the_plan_begins_anew(
    house: House, stage: str
) -> None:
    house.workspace("network")
    house.engine.will_find("network", BUCKET)
    house.push("c1", "network/main.tf", work=False)
    house.work("receive")
    house.killed_while(stage, house.work)
    assert house.only_run().status in (RunStatus.FETCHING, RunStatus.PLANNING)
    house.dispatch.lose_everything()
    house.sweep()
    assert house.engine.count("plan") == 0, "somebody works on it while the lease is held"
    house.sweep(minutes=2)
    run = house.only_run()
    assert run.status is RunStatus.PLANNED
    assert house.output(run).count("$ terraform plan") == 1, (
        "the lost plan's output stands before the new one"
    )
    assert ("restarted" in house.kinds(run)) == (stage == "plan")
    assert house.said("c1")[0] == "pending"


def test_a_plan_that_kills_each_of_its_workers_does_not_begin_for_ever(house: House) -> None:
    house.workspace("network")
    house.open_change(1, "h1", "network/a.tf", work=False)
    house.work("receive")
    house.killed_while("plan", house.work)
    for _ in range(MOST):
        house.clock.forward(minutes=3)
        house.killed_while("plan", house.sweep)
    house.sweep(minutes=3)
    run = house.only_run()
    assert (run.status, run.error) == (RunStatus.ERRORED, KILLS)
    assert house.engine.count("plan") == 0, "it was planned once more, though it kills its worker"
    assert house.said("h1")[0] == "failure"


def test_a_preview_whose_worker_was_killed_is_planned_anew(house: House) -> None:
    house.workspace("network")
    house.open_change(1, "h1", "network/a.tf", work=False)
    house.work("receive")
    house.killed_while("plan", house.work)
    house.dispatch.lose_everything()
    house.sweep(minutes=2)
    assert house.statuses() == ["planned_and_finished"]
    assert house.said("h1")[0] == "success"


def test_a_worker_killed_while_it_applies_leaves_an_error_and_is_never_followed_by_another_apply(
    planned: House,
) -> None:
    confirm(planned)
    planned.killed_while("apply", planned.work)
    assert planned.only_run().status is RunStatus.APPLYING
    planned.dispatch.lose_everything()
    planned.sweep()
    assert planned.only_run().status is RunStatus.APPLYING
    planned.sweep(minutes=2)
    run = planned.only_run()
    assert (run.status, run.error) == (RunStatus.ERRORED, CUT_OFF)
    assert planned.engine.applied == []
    assert planned.status("c1", "plangate/network/apply").state is StatusState.FAILURE
    planned.sweep(minutes=2)
    assert planned.engine.applied == []


def test_an_apply_that_was_cut_off_says_so_on_its_change_and_lets_the_next_run_go_on(house: House) -> None:
    house.workspace("network")
    house.engine.will_find("network", BUCKET)
    house.open_change(1, "h1", "network/a.tf")
    house.say(1, "/apply", work=False)
    house.work("receive")
    house.push("c1", "network/a.tf", work=False)
    house.work("receive")
    house.killed_while("apply", lambda: house.work("plan", "apply"))
    house.dispatch.lose_everything()
    house.sweep(minutes=2)
    house.sweep()
    assert house.statuses() == ["planned_and_finished", "errored", "planned"]
    assert CUT_OFF in house.comments(1)[-1]


def test_a_confirmed_run_that_no_worker_ever_came_for_is_applied_after_a_sweep(planned: House) -> None:
    planned.dispatch.down = True
    confirm(planned)
    planned.dispatch.down = False
    planned.sweep()
    assert planned.statuses() == ["applied"]


def test_a_worker_that_lost_its_lease_while_it_planned_changes_nothing(house: House) -> None:
    house.workspace("network")
    house.engine.will_find("network", BUCKET)
    house.push("c1", "network/main.tf", work=False)
    house.work("receive")
    run = house.only_run()

    def taken_over(_: object) -> None:
        house.clock.forward(minutes=2)
        house.engine.will_find("network", change("aws_s3_bucket.other", "create"))
        house.execution.advance(run.id)
        house.engine.will_find("network", BUCKET)

    house.engine.during("plan", taken_over)
    house.work()
    run = house.only_run()
    assert run.status is RunStatus.PLANNED
    assert house.saved_plan(run) == f"saved plan of {run.id}, number 2".encode()
    assert house.kinds(run).count("planned") == 1
    assert house.output(run).count("aws_s3_bucket.other") == 1
    assert house.output(run).count("$ terraform plan") == 1
    assert "aws_s3_bucket.logs" not in house.output(run)


@pytest.mark.parametrize("stage", ["plan", "apply"])
def test_a_worker_that_lost_its_lease_as_its_stage_ended_keeps_nothing_of_it(
    house: House, stage: str
) -> None:
    house.workspace("network", auto_apply=True)
    house.engine.will_find("network", BUCKET)
    house.push("c1", "network/main.tf", work=False)
    house.work("receive")
    run = house.only_run()
    at_work = getattr(house.engine, stage)

    def and_lose(*about: Any) -> Any:
        result = at_work(*about)
        about[-1].tick()
        house.clock.forward(minutes=2)
        with house.store.transaction() as tx:
            assert tx.leases.take(lease_of(run.id), "another", house.clock.now(), house.limits.lease)
        return result

    setattr(house.engine, stage, and_lose)
    house.work()
    assert house.only_run().status is (RunStatus.PLANNING if stage == "plan" else RunStatus.APPLYING)
    assert (house.saved_plan(run) is None) == (stage == "plan")


def test_a_worker_that_lost_its_lease_while_it_applied_changes_nothing(planned: House) -> None:
    confirm(planned)
    run = planned.only_run()

    def taken_over(_: object) -> None:
        planned.clock.forward(minutes=2)
        planned.execution.advance(run.id)

    planned.engine.during("apply", taken_over)
    planned.work()
    run = planned.only_run()
    assert (run.status, run.error) == (RunStatus.ERRORED, CUT_OFF)
    assert len(planned.engine.applied) == 1


def test_a_worker_that_lost_its_lease_leaves_the_working_tree_to_the_one_that_has_it(house: House) -> None:
    house.workspace("network")
    house.push("c1", "network/main.tf", work=False)
    house.work("receive")
    run = house.only_run()

    def taken_over(_: object) -> None:
        house.clock.forward(minutes=2)
        with house.store.transaction() as tx:
            assert tx.leases.take(lease_of(run.id), "another", house.clock.now(), house.limits.lease)

    house.engine.during("plan", taken_over)
    house.work()
    assert house.engine.trees == {run.id}


def test_a_worker_that_never_noticed_that_it_lost_its_lease_leaves_the_tree_alone_too(planned: House) -> None:
    confirm(planned)
    run = planned.only_run()

    def slow(*_: Any) -> Any:
        """The forge lets us wait for longer than the lease; the worker that takes over is at work by now."""
        planned.clock.forward(minutes=2)
        with planned.store.transaction() as tx:
            assert tx.leases.take(lease_of(run.id), "another", planned.clock.now(), planned.limits.lease)
        planned.engine.trees.add(run.id)
        raise ForgeUnavailable("no answer")

    planned.forge.remote = slow  # type: ignore[method-assign,assignment]
    planned.work()
    assert planned.engine.trees == {run.id}
    with planned.store.reading() as tx:
        assert tx.leases.held([lease_of(run.id)], planned.clock.now())


def test_a_run_that_was_canceled_while_the_forge_let_us_wait_is_not_applied(planned: House) -> None:
    confirm(planned)
    run, remote = planned.only_run(), planned.forge.remote

    def slow(*about: Any) -> Any:
        planned.clock.forward(minutes=2)
        planned.controls.cancel(run.id, WRITER)
        return remote(*about)

    planned.forge.remote = slow  # type: ignore[method-assign,assignment]
    planned.work()
    assert planned.statuses() == ["canceled"]
    assert planned.engine.count("apply") == 0


def test_a_state_that_could_not_be_pushed_is_kept_also_where_the_lease_was_lost(planned: House) -> None:
    confirm(planned)
    run = planned.only_run()
    state = b'{"version": 4, "serial": 2, "lineage": "one", "resources": []}'
    at_work = planned.engine.apply

    def and_lose(*about: Any) -> Any:
        at_work(*about)
        planned.clock.forward(minutes=2)
        planned.execution.advance(run.id)
        return ApplyResult(False, "the state could not be pushed", errored_state=state)

    planned.engine.apply = and_lose  # type: ignore[method-assign,assignment]
    planned.work()
    assert planned.only_run().error == CUT_OFF
    with planned.store.reading() as tx:
        (kept,) = tx.states.versions(run.workspace_id)
        assert tx.states.current(run.workspace_id) == kept
        assert tx.states.data(kept.id) == state


@pytest.mark.parametrize(
    ("where", "stands"), [("engine", RunStatus.PLANNING), ("forge", RunStatus.APPLY_QUEUED)]
)
def test_a_database_that_is_away_for_a_moment_fails_no_run(
    house: House, where: str, stands: RunStatus
) -> None:
    house.workspace("network", auto_apply=True)
    house.engine.will_find("network", BUCKET)
    house.push("c1", "network/main.tf", work=False)
    house.work("receive")
    run, reading = house.only_run(), house.store.reading
    asked, name = getattr(house, where), "plan" if where == "engine" else "remote"
    answer = getattr(asked, name)

    def away() -> Any:
        house.store.reading = reading  # type: ignore[method-assign]
        raise StoreUnavailable("the connection was lost")

    def and_away(*about: Any) -> Any:
        result = answer(*about)
        if house.run(run.id).status is stands:
            setattr(asked, name, answer)
            house.store.reading = away  # type: ignore[method-assign]
        return result

    setattr(asked, name, and_away)
    with pytest.raises(StoreUnavailable):
        house.execution.advance(run.id)
    assert house.run(run.id).status is stands
    house.sweep()
    assert house.statuses() == ["applied"]
    assert len(house.engine.applied) == 1


def test_a_long_plan_keeps_its_lease(house: House) -> None:
    house.workspace("network")
    house.push("c1", "network/main.tf", work=False)
    house.work("receive")
    run = house.only_run()
    held: list[frozenset[str]] = []

    def long(_: object) -> None:
        house.clock.forward(seconds=50)

    def longer(_: object) -> None:
        house.clock.forward(seconds=50)
        with house.store.reading() as tx:
            held.append(tx.leases.held([lease_of(run.id)], house.clock.now()))

    # The watcher is asked after each: within the lease it renews, so the second finds it held.
    house.engine.during("fetch", long)
    house.engine.during("plan", longer)
    house.work()
    assert held == [frozenset({lease_of(run.id)})]


def test_each_stage_begins_with_the_whole_of_the_lease(house: House) -> None:
    house.workspace("network", auto_apply=True)
    house.engine.will_find("network", BUCKET)
    most = house.limits.lease.total_seconds() * 0.6
    held: list[frozenset[str]] = []
    remote = house.forge.remote

    def slow(*about: Any) -> Any:
        house.clock.forward(seconds=most)
        return remote(*about)

    def slow_too(_: object) -> None:
        house.clock.forward(seconds=most)
        with house.store.reading() as tx:
            held.append(tx.leases.held([lease_of(house.only_run().id)], house.clock.now()))

    house.forge.remote = slow  # type: ignore[method-assign,assignment]
    house.engine.during("fetch", slow_too)
    house.engine.during("apply", slow_too)
    house.push("c1", "network/main.tf")
    assert house.statuses() == ["applied"]
    assert held == [frozenset({lease_of(house.only_run().id)})] * 2


def test_nothing_of_a_run_stays_on_the_machine(planned: House) -> None:
    assert planned.engine.trees == set()
    planned.engine.fail("apply", EngineError("no such version"))
    confirm(planned)
    planned.work()
    assert planned.engine.trees == set()


def test_a_lease_is_let_go_of_even_where_cleaning_up_fails(house: House) -> None:
    house.workspace("network")
    house.push("c1", "network/main.tf", work=False)
    house.work("receive")
    run = house.only_run()
    house.engine.fail("clean", OSError("the disk is full"))
    with pytest.raises(OSError, match="full"):
        house.execution.advance(run.id)
    with house.store.reading() as tx:
        assert not tx.leases.held([lease_of(run.id)], house.clock.now())


def test_the_sweep_wakes_exactly_what_is_due(house: House) -> None:
    workspace, other = house.workspace("network"), house.workspace("other")
    for name in ("network", "other"):
        house.engine.will_find(name, BUCKET)
    house.push("c1", "network/main.tf")  # waits for a person
    house.push("c2", "network/main.tf", before="c1")  # waits for its turn
    house.push("c3", "other/main.tf", before="c2", work=False)  # a delivery that nobody handled
    house.dispatch.lose_everything()
    house.clock.forward(seconds=10)
    asked = len(house.dispatch.asked)
    assert house.sweeping.run() == 1
    assert [job.queue for job in house.dispatch.asked[asked:]] == ["receive"]
    house.work("receive")
    house.dispatch.lose_everything()  # the run's job and its report

    house.clock.forward(seconds=10)
    house.sweeping.run()
    due = {(job.queue, job.swept) for job in house.dispatch.asked[asked + 1 :] if job.swept}
    assert due == {("plan", True), ("report", True)}
    house.work()
    assert house.statuses(other) == ["planned"]
    assert house.statuses(workspace) == ["planned", "pending"]
    assert house.sweep() == 0


def test_a_sweep_leaves_alone_what_was_asked_for_a_moment_ago(house: House) -> None:
    house.workspace("network")
    house.push("c1", "network/main.tf", work=False)
    assert house.sweeping.run() == 0
    house.work("receive")
    house.sweeping.run()
    assert not [job for job in house.dispatch.asked if job.swept and job.queue in ("receive", "plan")]


def test_losing_redis_at_every_step_still_brings_a_run_to_its_end(house: House) -> None:
    house.workspace("network", auto_apply=True)
    house.engine.will_find("network", BUCKET)
    house.push("c1", "network/main.tf", work=False)
    for _ in range(3):
        house.dispatch.lose_everything()
        house.clock.forward(seconds=10)
        house.sweeping.run()
        job = house.dispatch.take()
        assert job is not None
        {"receive": house.intake.handle, "report": house.report_delivery.report}.get(
            job.queue, house.execution.advance
        )(job.subject)
    assert house.statuses() == ["applied"]
    house.sweep()
    assert house.said("c1")[0] == "success"
    assert len(house.engine.applied) == 1
