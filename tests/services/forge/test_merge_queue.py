"""GitHub's merge queue: its check turns green for what was approved, and red, with why, for all else."""

from __future__ import annotations

import pytest

from bot.domain.errors import EngineError
from bot.domain.events import GroupAsked, GroupGone, GroupQueued
from bot.domain.runs.run import RunSource
from bot.domain.workspaces.workspace import ApplyWhen, Merging
from tests.fakes.engine import change
from tests.fakes.house import REPO, House

BUCKET = change("aws_s3_bucket.logs", "create", after={"name": "logs"})
OTHER = change("aws_s3_bucket.more", "create", after={"name": "more"})
AFTER = Merging(apply_when=ApplyWhen.AFTER_MERGE)


def queue(
    house: House, commit: str, *files: str, number: int = 1, base: str = "b0", work: bool = True
) -> str:
    """Have the queue ask about a commit that touches files, and do what follows."""
    house.forge.set_files_between(REPO, base, commit, files)
    branch = f"gh-readonly-queue/main/pr-{number}-{base}"
    delivery = house.deliver(GroupQueued(REPO, number, commit, branch, base, "main", "main"))
    if work:
        house.work()
    return delivery


@pytest.fixture
def approved(house: House) -> House:
    """A change whose plan is approved, to be applied once it is merged; `app` is not touched."""
    house.workspace("net", merging=AFTER)
    house.workspace("app", merging=AFTER)
    house.engine.will_find("net", BUCKET)
    house.open_change(1, "h1", "net/a.tf")
    house.say(1, "/apply")
    return house


def test_the_approved_plan_turns_the_check_green_and_is_applied_once_merged(approved: House) -> None:
    queue(approved, "q1", "net/a.tf")
    assert approved.said("q1") == ("success", "1 workspace planned: +1 ~0 -0")
    assert approved.said("q1", "plangate/net/plan")[0] == "success"
    approved.close_change(1, merged=True, as_commit="q1")
    approved.push("q1", "net/a.tf")
    run = approved.runs()[-1]
    assert (run.status.value, run.commit, run.source) == ("applied", "q1", RunSource.PUSH)
    assert approved.said("q1") == ("success", "1 workspace applied: +1 ~0 -0")


def test_another_plan_turns_it_red_and_says_what_is_other(approved: House) -> None:
    approved.engine.will_find("net", BUCKET, OTHER)
    queue(approved, "q1", "net/a.tf")
    why = "net: Not approved: not what wren approved: + aws_s3_bucket.more"
    assert approved.said("q1") == ("failure", why)
    assert f"Not merged by the queue, as q1: {why}" in approved.summary(1)
    assert approved.engine.applied == []


def test_a_plan_that_nobody_approved_turns_it_red(house: House) -> None:
    house.workspace("net", merging=AFTER)
    house.engine.will_find("net", BUCKET)
    house.open_change(1, "h1", "net/a.tf")
    queue(house, "q1", "net/a.tf")
    state, words = house.said("q1")
    assert state == "failure"
    assert words.startswith("net: Not approved: nobody has approved its plan on change 1: comment /apply")


def test_what_is_applied_before_the_merge_must_leave_nothing_to_do(house: House) -> None:
    house.workspace("net", merging=Merging(apply_when=ApplyWhen.BEFORE_MERGE))
    house.engine.will_find("net", BUCKET)
    house.open_change(1, "h1", "net/a.tf")
    queue(house, "q1", "net/a.tf")
    assert "changes are left that were not applied before the merge" in house.said("q1")[1]
    house.say(1, "/apply")
    queue(house, "q2", "net/a.tf")
    assert house.said("q2") == ("success", "1 workspace planned: no changes")


def test_a_commit_that_touches_no_workspace_is_green_at_once(approved: House) -> None:
    queue(approved, "q1", "docs/a.md")
    assert approved.said("q1") == ("success", "No workspace is affected")


def test_a_failed_plan_and_an_unfinished_one(approved: House) -> None:
    queue(approved, "q1", "net/a.tf", work=False)
    approved.work("receive", "report")
    assert approved.said("q1") == ("pending", "net: Planning")
    approved.engine.fail("plan", EngineError("no such provider"))
    approved.work()
    assert approved.said("q1") == ("failure", "net: Plan failed: no such provider")


def test_of_several_workspaces_each_must_be_as_approved(house: House) -> None:
    for name in ("net", "app"):
        house.workspace(name, merging=AFTER)
        house.engine.will_find(name, BUCKET)
    house.open_change(1, "h1", "net/a.tf", "app/a.tf")
    house.say(1, "/apply net")
    queue(house, "q1", "net/a.tf", "app/a.tf")
    state, words = house.said("q1")
    assert state == "failure"
    assert words.startswith("app: Not approved: nobody has approved its plan")


def test_several_changes_in_a_group_count_each_where_it_was_approved(house: House) -> None:
    for name in ("net", "app"):
        house.workspace(name, merging=AFTER)
        house.engine.will_find(name, BUCKET)
    house.open_change(1, "h1", "net/a.tf")
    house.open_change(2, "h2", "app/a.tf")
    house.say(1, "/apply")
    house.say(2, "/apply")
    queue(house, "q2", "net/a.tf", "app/a.tf", number=2)
    assert house.said("q2")[0] == "success"
    # Two in one workspace make a plan that nobody has seen.
    house.engine.will_find("net", BUCKET, OTHER)
    queue(house, "q3", "net/a.tf", "app/a.tf", number=2)
    assert house.said("q3")[0] == "failure"


def test_a_list_of_files_that_is_not_known_plans_every_workspace(approved: House) -> None:
    branch = "gh-readonly-queue/main/pr-1-b9"
    approved.deliver(GroupQueued(REPO, 1, "q1", branch, "b9", "main", "main"))
    approved.work()
    assert {run.workspace_id for run in approved.runs() if run.commit == "q1"} == {
        approved.find_workspace(name).id for name in ("net", "app")  # type: ignore[union-attr]
    }  # fmt: skip


def test_the_same_commit_asked_about_twice_is_planned_once(approved: House) -> None:
    queue(approved, "q1", "net/a.tf")
    delivery = queue(approved, "q1", "net/a.tf")
    assert "this commit of the queue is planned already" in approved.reasons(delivery)
    assert len([run for run in approved.runs() if run.commit == "q1"]) == 1


def test_a_group_that_is_gone_is_planned_no_further(approved: House) -> None:
    queue(approved, "q1", "net/a.tf", work=False)
    approved.work("receive")
    delivery = approved.deliver(GroupGone(REPO, "q1", "dequeued"))
    approved.work()
    assert approved.statuses()[-1] == "canceled"
    assert approved.reasons(delivery) == ["the merge queue has done with this commit: dequeued"]
    again = approved.deliver(GroupGone(REPO, "q1", "merged"))
    approved.work()
    assert approved.outcomes(again) == ["nothing"]


def test_the_changes_own_plan_and_its_approval_are_left_alone(approved: House) -> None:
    approved.engine.will_find("net", BUCKET, OTHER)
    queue(approved, "q1", "net/a.tf")
    assert approved.said("h1") == ("success", "1 workspace planned: +1 ~0 -0")
    assert "Approved by wren, applied once it is merged" in approved.summary(1)
    approved.say(1, "/retry")
    assert approved.runs()[-1].commit == "h1"


def test_a_repository_without_workspaces_is_not_answered(house: House) -> None:
    delivery = queue(house, "q1", "net/a.tf")
    assert house.reasons(delivery) == ["no workspace is configured for acme/infra"]


# Merge trains


def test_a_merge_trains_commit_is_planned_and_judged_like_a_queues(approved: House) -> None:
    approved.forge.set_files_between(REPO, "b0", "q1", ["net/a.tf"])
    approved.forge.queued[REPO, 1, "q1"] = "b0"
    approved.deliver(GroupAsked(REPO, 1, "q1", "main", "main"))
    approved.work()
    assert approved.said("q1") == ("success", "1 workspace planned: +1 ~0 -0")


def test_a_trains_commit_of_which_nobody_knows_the_base_is_planned_everywhere(approved: House) -> None:
    approved.forge.queued[REPO, 1, "q1"] = ""
    approved.deliver(GroupAsked(REPO, 1, "q1", "main", "main"))
    approved.work()
    made = [run for run in approved.runs() if run.commit == "q1"]
    assert [run.source for run in made] == [RunSource.QUEUE] * 2


def test_another_pipeline_than_a_trains_leads_to_nothing(approved: House) -> None:
    before = len(approved.runs())
    delivery = approved.deliver(GroupAsked(REPO, 1, "h1", "main", "main"))
    approved.work()
    assert len(approved.runs()) == before
    assert approved.outcomes(delivery) == ["nothing"]


def test_another_commit_of_the_train_takes_the_place_of_the_one_before(approved: House) -> None:
    for commit in ("q1", "q2"):
        approved.forge.set_files_between(REPO, "b0", commit, ["net/a.tf"])
        approved.forge.queued[REPO, 1, commit] = "b0"
        delivery = approved.deliver(GroupAsked(REPO, 1, commit, "main", "main"))
        approved.work("receive")
    approved.work()
    assert [(run.commit, run.status.value) for run in approved.runs()[-2:]] == [
        ("q1", "canceled"), ("q2", "planned_and_finished"),
    ]  # fmt: skip
    assert sorted(approved.outcomes(delivery)) == ["canceled", "nothing", "preview"]
    assert approved.reasons(delivery)[0] == "the merge train tests another commit for this change"
    assert approved.said("q2")[0] == "success"


def test_the_end_of_a_pipeline_that_is_no_trains_stops_nothing(house: House) -> None:
    house.workspace("net", merging=AFTER)
    house.open_change(1, "h1", "net/a.tf", work=False)
    delivery = house.deliver(GroupGone(REPO, "h1", "its pipeline failed"))
    house.work()
    assert house.statuses() == ["planned_and_finished"]
    assert house.reasons(delivery) == ["no plan of a merge queue's is under way for this commit"]
