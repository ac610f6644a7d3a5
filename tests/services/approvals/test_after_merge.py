"""Behind a merge: the branch's run goes on by itself where its plan was approved; else it asks."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from bot.domain.runs.approval import ApprovalRecord, ApprovalState
from bot.domain.runs.lifecycle import RunStatus
from bot.domain.workspaces.workspace import ApplyWhen, Merging
from tests.fakes.engine import change
from tests.fakes.house import WRITER, House

BUCKET = change("aws_s3_bucket.logs", "create", after={"name": "logs"})
OTHER = change("aws_s3_bucket.more", "create", after={"name": "more"})
AFTER = Merging(apply_when=ApplyWhen.AFTER_MERGE)


def opened(house: House, merging: Merging = AFTER) -> None:
    house.workspace("network", merging=merging)
    house.engine.will_find("network", BUCKET)
    house.open_change(1, "h1", "network/a.tf")


def merge_told_first(house: House) -> None:
    house.close_change(1, merged=True, as_commit="m1")
    house.push("m1", "network/a.tf")


def push_told_first(house: House) -> None:
    house.push("m1", "network/a.tf")
    house.close_change(1, merged=True, as_commit="m1")


MERGES = pytest.mark.parametrize("merge", [merge_told_first, push_told_first])


def approvals(house: House) -> list[ApprovalRecord]:
    with house.store.reading() as tx:
        return list(reversed(tx.approvals.of_change(tx.workspaces.named("network").id, 1)))


@MERGES
def test_what_was_approved_is_applied_from_the_branch(house: House, merge: Callable[[House], None]) -> None:
    opened(house)
    house.say(1, "/apply")
    assert house.engine.applied == []
    assert house.statuses() == ["planned_and_finished"]
    merge(house)
    run = house.runs()[-1]
    assert (run.status, run.commit, run.confirmed_by) == (RunStatus.APPLIED, "m1", WRITER.login)
    (record,) = approvals(house)
    assert (record.state, record.run_id) == (ApprovalState.USED, run.id)


@MERGES
def test_another_plan_asks_on_the_merged_change_where_it_is_applied(
    house: House, merge: Callable[[House], None]
) -> None:
    opened(house)
    house.say(1, "/apply")
    house.engine.will_find("network", BUCKET, OTHER)
    merge(house)
    run = house.runs()[-1]
    assert run.status is RunStatus.PLANNED
    assert "network: Waiting for confirmation; next: /apply network" in house.summary(1)
    house.say(1, "/apply")
    run = house.runs()[-1]
    assert (run.status, run.confirmed_by) == (RunStatus.APPLIED, WRITER.login)
    assert house.comments(1)[-1].startswith("network applied")


def test_an_apply_that_a_merge_overtook_is_made_up_for_from_the_branch(house: House) -> None:
    opened(house, Merging())
    house.workspace_locks.lock("network", WRITER)
    house.say(1, "/apply")
    merge_told_first(house)
    assert house.statuses() == ["planned_and_finished", "discarded", "pending"]
    house.workspace_locks.unlock("network", WRITER)
    house.work()
    assert house.statuses()[-1] == "applied"


def test_without_a_merge_what_was_approved_falls(house: House) -> None:
    opened(house)
    house.say(1, "/apply")
    house.close_change(1)
    (record,) = approvals(house)
    assert (record.state, record.why) == (ApprovalState.FALLEN, "the change was closed")


def test_a_commit_that_no_change_brought_asks_as_ever(house: House) -> None:
    opened(house)
    house.say(1, "/apply")
    house.push("x1", "network/a.tf")
    assert house.statuses()[-1] == "planned"


def test_who_applies_before_the_merge_makes_no_runs_of_the_branch(house: House) -> None:
    opened(house, Merging(apply_when=ApplyWhen.BEFORE_MERGE))
    house.say(1, "/apply")
    assert house.statuses()[-1] == "applied"
    delivery = house.push("m1", "network/a.tf")
    assert house.reasons(delivery) == [
        "applies changes before they are merged (apply: before_merge), not the branch"
    ]
    assert len(house.runs()) == 2


def test_an_approval_that_is_given_again_takes_the_place_of_the_one_before(house: House) -> None:
    opened(house)
    house.say(1, "/apply")
    house.say(1, "/apply")
    assert [record.state for record in approvals(house)] == [ApprovalState.FALLEN, ApprovalState.KEPT]
