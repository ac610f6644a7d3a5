"""Other open changes of a workspace: outdated by an apply, planned again; and those about the same things."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from bot.domain.ids import new_id
from bot.domain.workspace import Merging
from bot.services.ports import EngineJob, Limits, StateVersion
from tests.fakes.engine import change
from tests.fakes.house import House

BUCKET = change("aws_s3_bucket.logs", "create", after={"name": "logs"})
OTHER = change("aws_s3_bucket.more", "create", after={"name": "more"})


def opened(house: House, *numbers: int, merging: Merging | None = None) -> None:
    house.engine.state_here = True
    house.workspace("network", merging=merging or Merging())
    for number in numbers:
        house.engine.will_find("network", BUCKET)
        house.open_change(number, f"h{number}", "network/a.tf")


def apply(house: House, number: int, *behind: int) -> None:
    """Apply a change, as Terraform does: with another state after it; others may wait behind it."""

    def moved(job: EngineJob) -> None:
        with house.store.transaction() as tx:
            workspace = tx.workspaces.named("network")
            version = StateVersion(
                new_id("sv"), workspace.id, job.run_id, 1, "one", "md5", datetime(2030, 1, 1, tzinfo=UTC), 2
            )
            tx.states.add(version, b"{}")

    house.engine.during("apply", moved)
    for each in (number, *behind):
        house.say(each, "/apply", work=False)
    house.work()


def of_change(house: House, number: int) -> list[str]:
    return [run.status.value for run in house.runs() if run.change_number == number]


def test_an_apply_has_the_other_open_changes_planned_again(house: House) -> None:
    opened(house, 1, 2, 3)
    house.close_change(3)
    apply(house, 1)
    assert of_change(house, 1) == ["planned_and_finished", "applied"]
    assert of_change(house, 2) == ["planned_and_finished"] * 2
    assert of_change(house, 3) == ["planned_and_finished"]
    assert "outdated" not in house.summary(2)


def test_where_they_are_not_planned_again_they_are_marked(house: House) -> None:
    opened(house, 1, 2, merging=Merging(replan_siblings=False))
    apply(house, 1)
    assert of_change(house, 2) == ["planned_and_finished"]
    assert "network: Planned, outdated: the state has moved since; next: /apply network" in house.summary(2)
    state, words = house.said("h2", "plangate/network/plan")
    assert (state, words[:39]) == ("success", "Outdated, the state has moved since: Pl")


def test_only_so_many_are_planned_again_for_one_apply(build: Callable[..., House]) -> None:
    house = build(limits=replace(Limits(), siblings=1))
    opened(house, 1, 2, 3)
    apply(house, 1)
    assert [len(of_change(house, number)) for number in (2, 3)] == [1, 2]
    assert "outdated" in house.summary(2)


def test_a_change_with_a_run_in_the_queue_is_planned_again_by_that(house: House) -> None:
    opened(house, 1, 2)
    apply(house, 1, 2)
    assert of_change(house, 1)[:2] == ["planned_and_finished", "applied"]
    second = [run for run in house.runs() if run.change_number == 2]
    assert [run.plan_only for run in second] == [True, False]


def test_a_change_without_a_plan_gets_none_by_another_s_apply(house: House) -> None:
    opened(house, 1)
    house.open_change(2, "h2", "network/a.tf", fork=True)
    apply(house, 1)
    assert of_change(house, 2) == []


@pytest.mark.parametrize(("found", "told"), [(BUCKET, True), (OTHER, False)], ids=["same", "others"])
def test_two_open_changes_that_touch_the_same_resources_say_so_in_both_comments(
    house: House, found: dict[str, object], told: bool
) -> None:
    opened(house, 1)
    house.engine.will_find("network", found)
    house.open_change(2, "h2", "network/a.tf")
    words = "note: pull request #{} plans to change aws_s3_bucket.logs too"
    assert (words.format(2) in house.summary(1)) is told
    assert (words.format(1) in house.summary(2)) is told
    house.close_change(2)
    assert "overlap" not in house.summary(1)
