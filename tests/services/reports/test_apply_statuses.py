"""The statuses that an apply writes: none that would only be replaced by the same words."""

from __future__ import annotations

import pytest

from bot.domain.errors import EngineError
from bot.domain.runs.lifecycle import RunStatus
from tests.fakes.engine import change
from tests.fakes.house import REPO, WRITER, House

BUCKET = change("aws_s3_bucket.logs", "create", after={"name": "logs"})
OTHER = change("aws_s3_bucket.more", "create", after={"name": "more"})
PLAN, APPLY = "plangate/net/plan", "plangate/net/apply"


@pytest.fixture
def shown(house: House) -> House:
    house.workspace("net")
    house.engine.will_find("net", BUCKET)
    house.open_change(1, "h1", "net/a.tf")
    return house


def written(house: House, context: str) -> list[str]:
    return [status.description for _, status in house.forge.statuses if status.context == context]


def test_a_plan_that_is_made_again_for_the_apply_writes_no_status(shown: House) -> None:
    shown.say(1, "/apply", work=False)
    # A report while the run waits, one while it plans, and those at its end.
    shown.work("receive", "report")
    shown.engine.during("plan", lambda _: shown.sweep())
    shown.work()
    assert shown.said("h1", APPLY) == ("success", "Applied: +1 ~0 -0")
    assert written(shown, PLAN) == ["Plan: 1 to add, 0 to change, 0 to destroy"]
    (preview,) = [run for run in shown.runs() if run.plan_only]
    assert (shown.status("h1", PLAN).target_url or "").endswith(preview.id)


def test_another_plan_than_the_approved_one_has_its_own_status(shown: House) -> None:
    shown.engine.will_find("net", BUCKET, OTHER)
    shown.say(1, "/apply")
    run = shown.runs()[-1]
    assert run.status is RunStatus.PLANNED
    assert shown.said("h1", PLAN) == ("success", "Plan: 2 to add, 0 to change, 0 to destroy")
    assert (shown.status("h1", PLAN).target_url or "").endswith(run.id)


def test_a_plan_that_fails_for_the_apply_says_so(shown: House) -> None:
    shown.engine.fail("plan", EngineError("no such module"))
    shown.say(1, "/apply")
    assert shown.said("h1", PLAN) == ("failure", "Plan failed: no such module")


def test_a_run_that_lacks_something_shows_its_own_plan(shown: House) -> None:
    shown.workspace_locks.lock("net", WRITER)
    shown.say(1, "/apply")
    shown.workspace_locks.unlock("net", WRITER)
    shown.forge.set_role(REPO, WRITER.login, WRITER.role.READ)
    shown.clock.forward(seconds=10)
    shown.work()
    run = shown.runs()[-1]
    assert run.status is RunStatus.PLANNED and run.lacks
    assert (shown.status("h1", PLAN).target_url or "").endswith(run.id)


def test_a_run_of_many_has_a_status_while_it_takes_long(house: House) -> None:
    for number in range(12):
        house.workspace(f"w{number:02}")
        house.engine.will_find(f"w{number:02}", BUCKET)
    seen = []

    def meanwhile(_: object) -> None:
        """Be another worker, which ends a run some seconds after this one began to plan."""
        (run,) = [run for run in house.runs() if run.status is RunStatus.PLANNING]
        waiting = [each for each in house.runs() if each.status is RunStatus.PENDING]
        with house.store.reading() as tx:
            context = f"plangate/{tx.workspaces.get(run.workspace_id).name}/plan"
        for other, seconds in zip(waiting[:2], (5, 10), strict=True):
            house.clock.forward(seconds=seconds)
            house.execution.advance(other.id)
            house.work("report")
            seen.append(written(house, context))

    house.engine.during("plan", meanwhile)
    house.open_change(1, "h1", *(f"w{number:02}/x.tf" for number in range(12)))
    assert seen == [[], ["Planning"]]
    assert sum(status.context.endswith("/plan") for _, status in house.forge.statuses) == 12 + 1


def test_an_apply_of_many_writes_one_status_for_each_and_one_for_all(house: House) -> None:
    for number in range(12):
        house.workspace(f"w{number:02}")
        house.engine.will_find(f"w{number:02}", BUCKET)
    house.open_change(1, "h1", *(f"w{number:02}/x.tf" for number in range(12)))
    before = len(house.forge.statuses)
    house.say(1, "/apply")
    assert len(house.forge.statuses) - before == 13
