"""What `/apply` approves is kept, and so is what becomes of it."""

from __future__ import annotations

import pytest

from bot.domain.people.permissions import Role
from bot.domain.runs.approval import ApprovalRecord, ApprovalState
from bot.domain.runs.lifecycle import RunStatus
from tests.fakes.engine import change
from tests.fakes.house import WRITER, House

BUCKET = change("aws_s3_bucket.logs", "create", after={"name": "logs"})
OTHER = change("aws_s3_bucket.more", "create", after={"name": "more"})


@pytest.fixture
def previewed(house: House) -> House:
    house.workspace("network")
    house.engine.will_find("network", BUCKET)
    house.open_change(1, "h1", "network/a.tf")
    return house


def approvals(house: House) -> list[ApprovalRecord]:
    """Return the approvals of change 1, oldest first."""
    with house.store.reading() as tx:
        return list(reversed(tx.approvals.of_change(tx.workspaces.named("network").id, 1)))


def test_an_approval_says_who_approved_what_and_which_run_used_it(previewed: House) -> None:
    previewed.say(1, "/apply")
    preview, run = previewed.runs()
    (record,) = approvals(previewed)
    assert (record.by, record.role, record.commit) == (WRITER.login, Role.WRITE, "h1")
    assert (record.digest, record.shown_run_id) == (preview.digest, preview.id)
    assert (record.state, record.run_id) == (ApprovalState.USED, run.id)
    assert record.ended_at is not None
    assert run.approval is not None
    assert run.approval.id == record.id


def test_an_approval_falls_where_the_plan_is_another_and_the_next_one_is_used(previewed: House) -> None:
    previewed.engine.will_find("network", BUCKET, OTHER)
    previewed.say(1, "/apply")
    (record,) = approvals(previewed)
    assert record.state is ApprovalState.FALLEN
    assert record.why == "the plan changed: + aws_s3_bucket.more"
    previewed.say(1, "/apply")
    run = previewed.runs()[-1]
    first, second = approvals(previewed)
    assert run.status is RunStatus.APPLIED
    assert first == record
    assert (second.digest, second.state, second.run_id) == (run.digest, ApprovalState.USED, run.id)


def test_an_approval_falls_with_the_run_that_was_made_for_it(previewed: House) -> None:
    previewed.say(1, "/apply", work=False)
    previewed.work("receive")
    previewed.controls.cancel(previewed.runs()[1].id, WRITER)
    (record,) = approvals(previewed)
    assert record.state is ApprovalState.FALLEN
    assert record.why.endswith("ended as canceled")


def test_a_plan_that_is_confirmed_on_its_page_is_approved_too(house: House) -> None:
    house.workspace("network")
    house.engine.will_find("network", BUCKET)
    house.push("c1", "network/a.tf")
    run = house.only_run()
    house.controls.confirm(run.id, WRITER)
    with house.store.reading() as tx:
        (record,) = tx.approvals.of_change(run.workspace_id, None)
    assert (record.by, record.role, record.commit, record.digest) == (
        WRITER.login, Role.WRITE, "c1", run.digest
    )  # fmt: skip
    assert (record.state, record.run_id, record.shown_run_id) == (ApprovalState.USED, run.id, run.id)


def test_a_plan_of_a_change_that_is_confirmed_on_its_page_is_approved_in_place_of_the_other(
    previewed: House,
) -> None:
    previewed.engine.will_find("network", BUCKET, OTHER)
    previewed.say(1, "/apply")
    run = previewed.runs()[-1]
    previewed.clock.forward(seconds=1)  # what is given in one instant has no order
    previewed.controls.confirm(run.id, WRITER)
    first, second = approvals(previewed)
    assert (first.state, second.state) == (ApprovalState.FALLEN, ApprovalState.USED)
    assert (second.digest, second.run_id) == (run.digest, run.id)
