"""Many at once on one database: one wins, the others are told, and nothing happens twice."""

from __future__ import annotations

from functools import partial

import pytest

from bot.domain.errors import IllegalMove
from bot.domain.people.permissions import Person, Role
from bot.domain.runs.lifecycle import RunStatus
from bot.domain.runs.run import Run
from tests.fakes.engine import change
from tests.fakes.house import REPO, WRITER, House
from tests.store.racing import in_threads

BUCKET = change("aws_s3_bucket.logs", "create", after={"name": "logs"})
OTHER = Person("otto", Role.WRITE)


@pytest.fixture
def planned(house: House) -> House:
    house.workspace("network")
    house.engine.will_find("network", BUCKET)
    house.push("c1", "network/main.tf")
    return house


def outcomes(results: list[object]) -> tuple[list[Run], list[IllegalMove]]:
    won = [each for each in results if isinstance(each, Run)]
    told = [each for each in results if isinstance(each, IllegalMove)]
    assert len(won) + len(told) == len(results), results
    return won, told


@pytest.mark.parametrize("attempt", range(5))
def test_of_two_who_confirm_one_wins_and_the_other_is_told(planned: House, attempt: int) -> None:
    run = planned.only_run()
    won, told = outcomes(in_threads([partial(planned.controls.confirm, run.id, p) for p in (WRITER, OTHER)]))
    assert len(won) == len(told) == 1
    assert "apply_queued" in str(told[0])
    assert planned.only_run().confirmed_by == won[0].confirmed_by
    assert planned.kinds(run).count("confirmed") == 1
    planned.work()
    assert len(planned.engine.applied) == 1


@pytest.mark.parametrize("attempt", range(5))
def test_of_one_who_confirms_and_one_who_discards_one_wins(planned: House, attempt: int) -> None:
    run = planned.only_run()
    won, told = outcomes(
        in_threads(
            [
                lambda: planned.controls.confirm(run.id, WRITER),
                lambda: planned.controls.discard(run.id, OTHER),
            ]
        )
    )
    assert len(won) == len(told) == 1
    planned.work()
    applied = won[0].status is RunStatus.APPLY_QUEUED
    assert planned.statuses() == (["applied"] if applied else ["discarded"])
    assert len(planned.engine.applied) == applied


@pytest.mark.parametrize("attempt", range(3))
def test_a_confirmation_on_the_page_and_one_by_comment_apply_once(house: House, attempt: int) -> None:
    house.workspace("network")
    house.engine.will_find("network", BUCKET)
    house.open_change(1, "h1", "network/a.tf")
    house.engine.will_find("network", BUCKET, change("aws_s3_bucket.more", "create"))
    house.say(1, "/apply")
    run = house.runs()[1]
    delivery = house.say(1, "/apply", work=False)
    in_threads([lambda: house.intake.handle(delivery), lambda: house.controls.confirm(run.id, WRITER)])
    house.work()
    assert house.kinds(run).count("confirmed") == 1
    assert house.run(run.id).status is RunStatus.APPLIED
    assert len(house.engine.applied) == 1


@pytest.mark.parametrize("workers", [2, 4])
def test_many_workers_that_carry_on_one_run_plan_it_once(house: House, workers: int) -> None:
    house.workspace("network")
    house.engine.will_find("network", BUCKET)
    house.push("c1", "network/main.tf", work=False)
    house.work("receive")
    run = house.only_run()
    results = in_threads([lambda: house.execution.advance(run.id)] * workers)
    assert results == [None] * workers
    assert house.engine.count("plan") == 1
    assert house.only_run().status is RunStatus.PLANNED


def test_many_workers_on_one_workspace_never_work_on_two_of_its_runs_at_once(house: House) -> None:
    workspace = house.workspace("network", auto_apply=True)
    house.push("c0", "network/main.tf", work=False)
    for number in range(1, 6):
        house.push(f"c{number}", "network/main.tf", before=f"c{number - 1}", work=False)
    house.work("receive")
    at_once: list[int] = []

    def look(_: object) -> None:
        with house.store.reading() as tx:
            at_once.append(sum(run.holds_workspace for run in tx.runs.queue(workspace.id)))
            house.engine.will_find("network", BUCKET)

    for stage in ("plan", "apply"):
        for _ in range(6):
            house.engine.during(stage, look)

    def worker() -> None:
        # Each run is tried by every worker, in any order, until all are final.
        for _ in range(50):
            waiting = [run for run in house.runs() if not run.final]
            if not waiting:
                return
            for run in reversed(waiting):
                house.execution.advance(run.id)

    assert in_threads([worker] * 3) == [None] * 3
    runs = house.runs(workspace)
    assert {run.status for run in runs} == {RunStatus.APPLIED}
    assert at_once == [1] * len(at_once)
    ended = sorted(runs, key=lambda run: house.engine.done.index(("apply", run.id)))
    assert [run.sequence for run in ended] == sorted(run.sequence for run in runs)


@pytest.mark.parametrize("attempt", range(3))
def test_two_who_report_one_change_write_one_comment(house: House, attempt: int) -> None:
    house.workspace("network")
    house.engine.will_find("network", BUCKET)
    house.open_change(1, "h1", "network/a.tf", work=False)
    house.work("receive", "preview")
    with house.store.reading() as tx:
        record = tx.changes.numbered(REPO, 1)
    assert record is not None
    assert in_threads([lambda: house.report_delivery.report(record.id)] * 3) == [None] * 3
    assert len(house.comments(1)) == 1
    assert house.said("h1")[0] == "success"


@pytest.mark.parametrize("attempt", range(3))
def test_one_delivery_handled_by_two_workers_makes_one_run(house: House, attempt: int) -> None:
    house.workspace("network")
    delivery = house.push("c1", "network/main.tf", work=False)
    assert in_threads([lambda: house.intake.handle(delivery)] * 3) == [None] * 3
    assert len(house.runs()) == 1


def test_one_commit_pushed_in_two_deliveries_at_once_makes_one_run(house: House) -> None:
    house.workspace("network")
    deliveries = [house.push("c1", "network/main.tf", work=False) for _ in range(3)]
    in_threads([partial(house.intake.handle, each) for each in deliveries])
    assert len(house.runs()) == 1
    assert sorted(house.outcomes(each)[0] for each in deliveries) == ["nothing", "nothing", "run"]


@pytest.mark.parametrize("attempt", range(3))
def test_a_cancel_and_a_start_at_once_leave_no_run_behind(house: House, attempt: int) -> None:
    house.workspace("network")
    house.engine.will_find("network", BUCKET)
    house.push("c1", "network/main.tf", work=False)
    house.work("receive")
    run = house.only_run()
    in_threads([lambda: house.execution.advance(run.id), lambda: house.controls.cancel(run.id, WRITER)])
    house.work()
    # Whichever came first: it is canceled, discarded as its plan ended, or planned before the wish came.
    ended = house.run(run.id)
    assert ended.final or (ended.status is RunStatus.PLANNED and not ended.cancel_requested_at)
