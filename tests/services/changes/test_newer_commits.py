"""A newer commit and what was approved before it: it falls, for that workspace only, or is carried over."""

from __future__ import annotations

import pytest

from bot.domain.runs.approval import ApprovalRecord, ApprovalState
from bot.domain.runs.lifecycle import RunStatus
from bot.domain.workspaces.workspace import Merging
from tests.fakes.engine import change
from tests.fakes.house import WRITER, House

BUCKET = change("aws_s3_bucket.logs", "create", after={"name": "logs"})
OTHER = change("aws_s3_bucket.more", "create", after={"name": "more"})
KEEPS = Merging(keep_approval=True)


def approved(house: House, *names: str, merging: Merging | None = None) -> None:
    """Have a change approved in workspaces that are locked, so that nothing is applied yet."""
    for name in names:
        house.workspace(name, merging=merging or Merging())
        house.engine.will_find(name, BUCKET)
    house.open_change(1, "h1", *(f"{name}/a.tf" for name in names))
    for name in names:
        house.workspace_locks.lock(name, WRITER)
    house.say(1, "/apply")


def approvals(house: House, name: str) -> list[ApprovalRecord]:
    with house.store.reading() as tx:
        return list(reversed(tx.approvals.of_change(tx.workspaces.named(name).id, 1)))


def unlocked(house: House, name: str) -> None:
    house.workspace_locks.unlock(name, WRITER)
    house.work()


def test_a_newer_commit_stops_what_was_approved_before_it(house: House) -> None:
    approved(house, "network")
    house.update_change(1, "h2", "network/a.tf")
    unlocked(house, "network")
    assert house.statuses() == ["planned_and_finished", "discarded", "planned_and_finished"]
    discarded = house.runs()[1]
    assert house.timeline(discarded)[-1].message == "a newer commit was pushed: h2"
    (record,) = approvals(house, "network")
    assert (record.state, record.why) == (ApprovalState.FALLEN, "a newer commit was pushed: h2")
    assert house.engine.applied == []


def test_an_approval_is_carried_over_to_a_newer_commit_with_the_same_plan(house: House) -> None:
    approved(house, "network", merging=KEEPS)
    house.update_change(1, "h2", "network/a.tf")
    assert house.statuses() == ["planned_and_finished", "discarded", "planned_and_finished", "pending"]
    unlocked(house, "network")
    run = house.runs()[-1]
    assert (run.status, run.commit, run.confirmed_by) == (RunStatus.APPLIED, "h2", WRITER.login)
    assert "approval carried over" in house.kinds(run)
    (record,) = approvals(house, "network")
    assert (record.state, record.run_id, record.commit) == (ApprovalState.USED, run.id, "h1")


def test_a_kept_approval_falls_with_another_plan(house: House) -> None:
    approved(house, "network", merging=KEEPS)
    house.engine.will_find("network", BUCKET, OTHER)
    house.update_change(1, "h2", "network/a.tf")
    unlocked(house, "network")
    assert house.statuses()[1:] == ["discarded", "planned_and_finished"]
    (record,) = approvals(house, "network")
    assert record.state is ApprovalState.FALLEN
    assert record.why == "the plan of h2 is not the one that was approved (+ aws_s3_bucket.more)"


def test_a_kept_approval_outlives_several_commits(house: House) -> None:
    approved(house, "network", merging=KEEPS)
    house.update_change(1, "h2", "network/a.tf", work=False)
    house.work("receive")
    house.update_change(1, "h3", "network/a.tf")
    unlocked(house, "network")
    run = house.runs()[-1]
    assert (run.status, run.commit) == (RunStatus.APPLIED, "h3")


def test_a_run_that_stopped_because_its_plan_changed_keeps_no_approval(house: House) -> None:
    approved(house, "network", merging=KEEPS)
    house.engine.will_find("network", BUCKET, OTHER)
    unlocked(house, "network")
    assert house.runs()[-1].status is RunStatus.PLANNED
    house.engine.will_find("network", BUCKET)
    house.update_change(1, "h2", "network/a.tf")
    assert house.statuses()[1:] == ["discarded", "planned_and_finished"]


def test_an_apply_that_has_begun_is_not_stopped(house: House) -> None:
    house.workspace("network")
    house.engine.will_find("network", BUCKET)
    house.open_change(1, "h1", "network/a.tf")

    def newer(_: object) -> None:
        house.update_change(1, "h2", "network/a.tf", work=False)
        house.work("receive")

    house.engine.during("apply", newer)
    house.say(1, "/apply")
    assert house.runs()[1].status is RunStatus.APPLIED


@pytest.mark.parametrize("merging", [Merging(), KEEPS], ids=["falls", "kept"])
def test_what_was_approved_on_another_change_is_left_alone(house: House, merging: Merging) -> None:
    approved(house, "network", merging=merging)
    house.open_change(2, "o1", "network/a.tf")
    house.update_change(2, "o2", "network/a.tf")
    (record,) = approvals(house, "network")
    assert record.state is ApprovalState.STANDING
