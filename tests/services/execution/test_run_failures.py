"""What goes wrong while a run is carried on: the engine, the forge, the database, we ourselves."""

from __future__ import annotations

import pytest

from bot.domain.errors import (
    Conflict,
    EngineError,
    ForgeRefused,
    ForgeUnavailable,
    RemoteUnavailable,
    StoreUnavailable,
    TimedOut,
)
from bot.domain.runs.lifecycle import RunStatus
from bot.services.execution.disk_space import NO_ROOM
from bot.services.execution.retry import PAUSES
from tests.fakes.engine import change
from tests.fakes.house import WRITER, House

BUCKET = change("aws_s3_bucket.logs", "create", after={"name": "logs"})
AWAY = ForgeUnavailable("github failed (502)")


@pytest.fixture
def planned(house: House) -> House:
    house.workspace("network")
    house.engine.will_find("network", BUCKET)
    house.push("c1", "network/main.tf")
    return house


def confirm(house: House) -> None:
    house.controls.confirm(house.only_run().id, WRITER)


@pytest.mark.parametrize("stage", ["fetch", "plan", "apply"])
def test_a_mistake_of_ours_ends_the_run_with_a_reference_and_never_leaves_it_pending(
    house: House, stage: str
) -> None:
    house.workspace("network", auto_apply=True)
    house.engine.will_find("network", BUCKET)
    house.engine.fail(stage, ZeroDivisionError("the token is s3cret"))
    house.push("c1", "network/main.tf")
    run = house.only_run()
    assert run.status is RunStatus.ERRORED
    assert run.error.startswith("Plangate itself failed; the log has it as err-")
    assert "s3cret" not in run.error
    assert house.said("c1")[0] == "failure"


@pytest.mark.parametrize(
    "error", [EngineError("Error: bad"), TimedOut("terraform plan took longer than 2 hours")]
)
def test_what_the_engine_says_is_the_runs_error(house: House, error: EngineError) -> None:
    house.workspace("network")
    house.engine.fail("plan", error)
    house.push("c1", "network/main.tf")
    assert house.only_run().error == str(error)


def test_a_plan_that_can_not_be_read_ends_its_run(house: House) -> None:
    house.workspace("network")
    house.engine.plans["network"] = {"format_version": "2.0", "resource_changes": []}
    house.push("c1", "network/main.tf")
    assert house.statuses() == ["errored"]
    assert "does not know" in house.only_run().error


def test_a_run_waits_for_a_forge_that_is_away_and_errors_when_patience_is_over(house: House) -> None:
    house.workspace("network")
    house.push("c1", "network/main.tf", work=False)
    house.work("receive")
    house.forge.fail(AWAY, on="remote", times=3)
    house.work()
    assert house.statuses() == ["fetching"]
    house.sweep(minutes=5)
    assert house.statuses() == ["fetching"]
    assert house.kinds(house.only_run()) == ["pending", "fetching"], "nobody was lost: nothing was restarted"
    house.sweep(minutes=6)
    assert house.statuses() == ["errored"]
    assert house.only_run().error == f"the forge was away for 10 minutes: {AWAY}"


def test_a_forge_that_comes_back_in_time_costs_nothing(house: House) -> None:
    house.workspace("network")
    house.engine.will_find("network", BUCKET)
    house.push("c1", "network/main.tf", work=False)
    house.work("receive")
    house.forge.fail(AWAY, on="remote")
    house.work()
    house.sweep()
    assert house.statuses() == ["planned"]


def test_a_forge_that_is_away_before_an_apply_does_not_look_like_an_apply_cut_off(planned: House) -> None:
    confirm(planned)
    planned.forge.fail(AWAY, on="remote")
    planned.work()
    assert planned.statuses() == ["apply_queued"]
    assert planned.engine.applied == []
    planned.sweep()
    assert planned.statuses() == ["applied"]


def test_a_forge_that_refuses_ends_the_run(house: House) -> None:
    house.workspace("network")
    house.push("c1", "network/main.tf", work=False)
    house.work("receive")
    house.forge.fail(ForgeRefused("we may not read acme/infra"), on="remote")
    house.work()
    assert (house.statuses(), house.only_run().error) == (["errored"], "we may not read acme/infra")


def test_a_database_that_is_away_for_a_moment_does_not_interrupt_an_apply(planned: House) -> None:
    confirm(planned)
    run = planned.only_run()
    transaction = planned.store.transaction

    def away(_: object) -> None:
        def broken() -> None:
            planned.store.transaction = transaction  # type: ignore[method-assign]
            raise Conflict("another change was in the way for half a minute")

        planned.store.transaction = broken  # type: ignore[method-assign,assignment]

    planned.engine.during("apply", away)
    planned.work()
    assert planned.run(run.id).status is RunStatus.APPLIED
    assert planned.output(run, "apply") == "applying\nApply complete!\n", "output was lost"


def test_how_an_apply_ended_is_kept_though_the_database_was_away_at_its_end(planned: House) -> None:
    confirm(planned)
    transaction = planned.store.transaction
    refusals: list[str] = []

    def away(_: object) -> None:
        def broken() -> None:
            refusals.append("away")
            if len(refusals) >= 4:
                planned.store.transaction = transaction  # type: ignore[method-assign]
            raise StoreUnavailable("the database can't be used: connection refused")

        planned.store.transaction = broken  # type: ignore[method-assign,assignment]

    planned.engine.during("apply", away)
    planned.work()
    assert planned.statuses() == ["applied"]
    assert len(refusals) == 4


def test_a_token_is_good_for_longer_than_the_stage_it_is_for(planned: House) -> None:
    # Terraform pushes its state after it was interrupted at the end of its time.
    confirm(planned)
    planned.work()
    plan, apply = planned.engine.jobs[0], planned.engine.jobs[-1]
    for job, limit in ((plan, planned.limits.plan), (apply, planned.limits.apply)):
        assert job.state is not None
        until = int(job.state.password.split(".")[1])
        assert until > (planned.clock.now() + limit).timestamp() + 600


GIT_AWAY = RemoteUnavailable("acme/infra could not be fetched: failed to connect")


@pytest.mark.parametrize("plan_only", [False, True])
def test_a_run_waits_for_a_git_that_is_away_before_it_plans(house: House, plan_only: bool) -> None:
    house.workspace("network")
    house.engine.will_find("network", BUCKET)
    for _ in range(3):
        house.engine.fail("fetch", GIT_AWAY)
    if plan_only:
        house.open_change(1, "c1", "network/main.tf")
    else:
        house.push("c1", "network/main.tf")
    assert house.statuses() == ["fetching"]
    house.sweep(minutes=1)
    assert house.statuses() == ["fetching"]
    house.sweep(minutes=1)
    house.sweep(minutes=1)
    assert house.statuses() == ["planned_and_finished" if plan_only else "planned"]


def test_a_git_that_stays_away_ends_the_run_with_its_words(house: House) -> None:
    house.workspace("network")
    for _ in range(9):
        house.engine.fail("fetch", GIT_AWAY)
    house.push("c1", "network/main.tf")
    house.sweep(minutes=11)
    assert house.statuses() == ["errored"]
    assert house.only_run().error == f"the forge was away for 10 minutes: {GIT_AWAY}"


def test_an_apply_that_has_not_begun_is_tried_again_and_one_that_cannot_begin_applies_nothing(
    planned: House,
) -> None:
    for _ in range(2):
        planned.engine.fail("apply", GIT_AWAY)
    confirm(planned)
    planned.work()
    assert planned.statuses() == ["applied"]
    assert "Retry in 20 seconds." in planned.output(planned.only_run(), "apply")
    planned.engine.will_find("network", BUCKET)
    planned.push("c2", "network/main.tf", before="c1")
    for _ in range(len(PAUSES) + 1):
        planned.engine.fail("apply", GIT_AWAY)
    planned.controls.confirm(planned.runs()[-1].id, WRITER)
    planned.work()
    assert planned.runs()[-1].error == f"nothing was applied: {GIT_AWAY}"


def test_an_apply_that_waits_for_git_can_be_canceled(planned: House) -> None:
    confirm(planned)

    def cancel(_: object) -> None:
        planned.controls.cancel(planned.only_run().id, WRITER)
        raise GIT_AWAY

    planned.engine.during("apply", cancel)
    planned.work()
    assert planned.statuses() == ["canceled"]
    assert planned.engine.count("apply") == 1


@pytest.mark.parametrize("stage", ["plan", "apply"])
def test_no_stage_starts_while_the_disk_is_full_and_the_run_says_so_once(house: House, stage: str) -> None:
    house.workspace("network")
    house.engine.will_find("network", change("aws_s3_bucket.logs", "create", after={}))
    if stage == "plan":
        house.engine.full = "3 MB left"
    house.push("c1", "network/main.tf")
    if stage == "apply":
        house.engine.full = "3 MB left"
        house.controls.confirm(house.only_run().id, WRITER)
        house.work()
    for _ in range(3):
        house.sweep(minutes=1)
    run = house.only_run()
    assert run.status is (RunStatus.PENDING if stage == "plan" else RunStatus.APPLY_QUEUED)
    assert house.engine.count(stage) == 0
    assert [e.message for e in house.timeline(run) if e.kind == NO_ROOM] == ["3 MB left"]
    house.engine.full = ""
    house.sweep(minutes=1)
    assert house.statuses() == ["planned" if stage == "plan" else "applied"]


def test_a_run_that_waits_for_disk_space_can_be_canceled(house: House) -> None:
    house.workspace("network")
    house.engine.full = "3 MB left"
    house.push("c1", "network/main.tf")
    house.controls.cancel(house.only_run().id, WRITER)
    house.work()
    assert house.statuses() == ["canceled"]
