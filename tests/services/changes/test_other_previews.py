"""Other open changes of a workspace: outdated by an apply, planned again; and those about the same things."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from bot.domain.events import Change
from bot.domain.ids import new_id
from bot.domain.workspaces.workspace import Merging
from bot.services.ports import ChangeRecord, EngineJob, Limits, StateVersion
from tests.fakes.engine import change
from tests.fakes.house import REPO, House

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


def unplanned(house: House, numbers: range, workspace: str) -> None:
    """Have open changes that touch a workspace and have no plan."""
    with house.store.transaction() as tx:
        ids = (tx.workspaces.named(workspace).id,)
        for number in numbers:
            about = Change(REPO, number, "More", "ann", f"h{number}", "topic", "main", False, "")
            tx.changes.put(ChangeRecord(new_id("chg"), about, ids, house.clock.now()))


def test_changes_of_other_workspaces_do_not_hide_one_that_touches_the_same(house: House) -> None:
    opened(house, 1)
    house.workspace("app")
    unplanned(house, range(100, 130), "app")
    house.open_change(2, "h2", "network/a.tf")
    assert "note: pull request #1 plans to change aws_s3_bucket.logs too" in house.summary(2)
    assert "compared" not in house.summary(2)


def test_a_comment_says_that_it_was_not_compared_with_every_change(house: House) -> None:
    opened(house, 1)
    unplanned(house, range(100, 130), "network")
    house.open_change(2, "h2", "network/a.tf")
    words = "note: it is compared only with the 20 newest of the other open pull requests"
    assert words in house.summary(2)


def test_an_apply_outdates_the_previews_of_every_other_change(house: House) -> None:
    opened(house, 1, 2, merging=Merging(replan_siblings=False))
    house.workspace("app")
    unplanned(house, range(100, 320), "app")
    apply(house, 1)
    assert "outdated: the state has moved since" in house.summary(2)
