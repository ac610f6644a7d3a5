"""What people do to runs: confirm, discard, cancel, retry; and who may not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from bot.domain.errors import Forbidden, IllegalMove, NotFound
from bot.domain.runs.lifecycle import RunStatus, StageStatus
from bot.domain.runs.run import RunSource
from bot.services.ports import EngineJob, PlanResult
from tests.fakes.engine import change
from tests.fakes.house import PLANNER, READER, WRITER, House

BUCKET = change("aws_s3_bucket.logs", "create", after={"name": "logs"})


@pytest.fixture
def planned(house: House) -> House:
    """A run of the branch that waits for a person, and one behind it."""
    house.workspace("network")
    house.engine.will_find("network", BUCKET)
    house.push("c1", "network/main.tf")
    house.push("c2", "network/main.tf", before="c1")
    assert house.statuses() == ["planned", "pending"]
    return house


@pytest.mark.parametrize("who", [READER, PLANNER], ids=lambda person: person.login)
@pytest.mark.parametrize("what", ["confirm", "discard", "cancel", "retry"])
def test_who_may_not_write_may_not_decide(planned: House, who: object, what: str) -> None:
    before = planned.runs()
    with pytest.raises(Forbidden, match=r"needs (write|plan) access"):
        getattr(planned.controls, what)(before[0].id, who)
    assert planned.runs() == before


def test_a_run_that_does_not_exist_is_not_found(house: House) -> None:
    with pytest.raises(NotFound):
        house.controls.confirm("run-none", WRITER)


def test_a_person_and_what_they_said_stand_in_the_timeline(planned: House) -> None:
    run = planned.controls.confirm(planned.runs()[0].id, WRITER, "looks right")
    line = next(event for event in planned.timeline(run) if event.kind == "confirmed")
    assert (line.actor, line.message) == (WRITER.login, "looks right")


def test_only_a_run_that_waits_is_confirmed_and_the_refusal_says_what_is_possible(planned: House) -> None:
    waiting = planned.runs()[1]
    with pytest.raises(IllegalMove) as refusal:
        planned.controls.confirm(waiting.id, WRITER)
    assert (
        str(refusal.value) == f"{waiting.id} is pending and can't be confirmed; possible now: discard, cancel"
    )
    planned.controls.discard(waiting.id, WRITER)
    with pytest.raises(IllegalMove, match="it is finished: retry it"):
        planned.controls.confirm(waiting.id, WRITER)


def test_a_preview_is_neither_confirmed_nor_discarded(house: House) -> None:
    house.workspace("network")
    house.engine.will_find("network", BUCKET)
    house.open_change(1, "h1", "network/a.tf", work=False)
    house.work("receive")
    preview = house.only_run()
    for refused in (house.controls.confirm, house.controls.discard):
        with pytest.raises(IllegalMove, match="possible now: cancel"):
            refused(preview.id, WRITER)


def test_a_pending_run_is_canceled_at_once_and_the_others_keep_their_order(planned: House) -> None:
    planned.push("c3", "network/main.tf", before="c2")
    canceled = planned.controls.cancel(planned.runs()[1].id, WRITER)
    assert canceled.status is RunStatus.CANCELED
    planned.controls.discard(planned.runs()[0].id, WRITER)
    planned.work()
    assert planned.statuses() == ["discarded", "canceled", "planned"]


def test_a_pending_run_may_be_discarded(planned: House) -> None:
    assert planned.controls.discard(planned.runs()[1].id, WRITER).status is RunStatus.DISCARDED
    planned.work()
    assert planned.said("c2") == ("failure", "1 of 1 failed: network")


def test_a_run_that_waits_for_a_person_is_discarded_not_canceled(planned: House) -> None:
    run = planned.runs()[0]
    with pytest.raises(IllegalMove, match="can't be canceled; possible now: confirm, discard"):
        planned.controls.cancel(run.id, WRITER)


def _while(stage: str) -> Callable[[House], list[object]]:
    def cancel(house: House) -> list[object]:
        seen: list[object] = []

        def ask(job: object) -> None:
            run = house.controls.cancel(job.run_id, WRITER, "stop")  # type: ignore[attr-defined]
            seen.append(run.status)
            with pytest.raises(IllegalMove, match="it is stopping"):
                house.controls.cancel(run.id, WRITER)

        house.engine.during(stage, ask)
        return seen

    return cancel


@pytest.mark.parametrize(("stage", "status"), [("fetch", "fetching"), ("plan", "planning")])
def test_a_run_at_work_is_interrupted_and_the_next_one_goes_on(house: House, stage: str, status: str) -> None:
    house.workspace("network")
    house.engine.will_find("network", BUCKET)
    seen = _while(stage)(house)
    house.push("c1", "network/main.tf")
    house.push("c2", "network/main.tf", before="c1")
    first, second = house.runs()
    assert seen == [status]
    assert (first.status, first.plan_status) == (RunStatus.CANCELED, StageStatus.CANCELED)
    assert second.status is RunStatus.PLANNED
    assert house.said("c1") == ("failure", "1 of 1 failed: network")
    assert house.said("c1", "plangate/network/plan") == ("error", f"Plan canceled by {WRITER.login}")


def test_an_apply_is_interrupted_and_what_it_did_is_kept(planned: House) -> None:
    run = planned.runs()[0]
    seen = _while("apply")(planned)
    planned.controls.confirm(run.id, WRITER)
    planned.work()
    run = planned.run(run.id)
    assert seen == ["applying"]
    assert (run.status, run.apply_status) == (RunStatus.CANCELED, StageStatus.CANCELED)
    assert planned.said("c1", "plangate/network/apply") == ("error", f"Apply canceled by {WRITER.login}")
    assert planned.timeline(run)[-1].message == "interrupted: half of it is done"


def test_a_cancel_that_comes_as_the_plan_ends_is_not_lost(house: House) -> None:
    house.workspace("network", auto_apply=True)
    house.engine.will_find("network", BUCKET)
    engine_plan = house.engine.plan

    def plan_and_then(job: EngineJob, watch: Any) -> PlanResult:
        result = engine_plan(job, watch)
        house.controls.cancel(job.run_id, WRITER)
        return result

    house.engine.plan = plan_and_then  # type: ignore[method-assign]
    house.push("c1", "network/main.tf")
    assert house.statuses() == ["discarded"]
    assert house.engine.applied == []


def test_a_confirmed_run_that_no_worker_has_yet_is_canceled_at_once(planned: House) -> None:
    run = planned.runs()[0]
    planned.controls.confirm(run.id, WRITER)
    assert planned.controls.cancel(run.id, WRITER).status is RunStatus.CANCELED
    planned.work()
    assert planned.engine.applied == []
    assert planned.statuses() == ["canceled", "planned"]


def test_a_run_whose_worker_is_gone_is_canceled_at_once_but_not_while_it_applies(planned: House) -> None:
    run = planned.runs()[0]
    planned.controls.confirm(run.id, WRITER)
    planned.killed_while("apply", planned.work)
    planned.clock.forward(minutes=2)
    assert planned.controls.cancel(run.id, WRITER).status is RunStatus.APPLYING
    planned.sweep()
    assert planned.run(run.id).status is RunStatus.ERRORED


def test_a_retry_is_a_new_run_of_the_same_commit_that_waits_for_its_turn(planned: House) -> None:
    first = planned.runs()[0]
    with pytest.raises(IllegalMove, match="only a finished run can be retried"):
        planned.controls.retry(first.id, WRITER)
    planned.controls.discard(first.id, WRITER)
    retried = planned.controls.retry(first.id, WRITER)
    planned.work()
    assert (retried.source, retried.commit, retried.plan_only) == (RunSource.RETRY, "c1", False)
    assert planned.statuses() == ["discarded", "planned", "pending"]
    assert planned.run(first.id).status is RunStatus.DISCARDED
    assert planned.timeline(retried)[0].message == f"retry of {first.id}"


def test_a_retry_of_an_automatic_run_waits_for_a_person(house: House) -> None:
    house.workspace("network", auto_apply=True)
    house.engine.will_find("network", BUCKET)
    house.push("c1", "network/main.tf")
    house.engine.will_find("network", BUCKET)
    house.controls.retry(house.only_run().id, WRITER)
    house.work()
    assert house.statuses() == ["applied", "planned"]


def test_a_preview_is_retried_by_who_may_plan(house: House) -> None:
    house.workspace("network")
    house.open_change(1, "h1", "network/a.tf")
    preview = house.only_run()
    with pytest.raises(Forbidden):
        house.controls.retry(preview.id, READER)
    retried = house.controls.retry(preview.id, PLANNER)
    house.work()
    assert (retried.plan_only, retried.change_number) == (True, 1)
    assert house.run(retried.id).status is RunStatus.PLANNED_AND_FINISHED
