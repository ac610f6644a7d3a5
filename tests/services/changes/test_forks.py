"""`/plan` on a fork's change means the commit that was there when the comment was written."""

from __future__ import annotations

import pytest

from tests.fakes.engine import change
from tests.fakes.house import House

BUCKET = change("aws_s3_bucket.logs", "create", after={"name": "logs"})
FIRST, SECOND = "1" * 40, "2" * 40


@pytest.fixture
def forked(house: House) -> House:
    house.workspace("net")
    house.engine.will_find("net", BUCKET)
    house.open_change(1, FIRST, "net/a.tf", fork=True)
    return house


def planned(house: House) -> list[str]:
    return [run.commit for run in house.runs()]


def test_a_commit_that_was_there_for_a_while_is_planned(forked: House) -> None:
    forked.say(1, "/plan")
    assert planned(forked) == [FIRST]


def test_a_push_just_before_the_comment_needs_the_command_again(forked: House) -> None:
    forked.clock.forward(minutes=5)
    forked.update_change(1, SECOND, "net/a.tf")
    refused = forked.deliver(forked.comment(1, "/plan"))
    forked.work()
    assert planned(forked) == []
    (why,) = forked.reasons(refused)
    assert why.startswith("2222222222 was pushed around the time of your comment")
    forked.say(1, "/plan")
    assert planned(forked) == [SECOND]


def test_a_push_just_after_the_comment_is_not_what_was_meant(forked: House) -> None:
    forked.clock.forward(minutes=5)
    said = forked.comment(1, "/plan")
    forked.update_change(1, SECOND, "net/a.tf", work=False)
    forked.deliver(said)
    forked.work()
    assert planned(forked) == []


def test_a_push_that_nobody_told_of_yet_is_not_what_was_meant(forked: House) -> None:
    forked.clock.forward(minutes=5)
    said = forked.comment(1, "/plan")
    forked.update_change(1, SECOND, "net/a.tf", work=False)
    forked.dispatch.lose_everything()
    forked.deliver(said)
    forked.work()
    assert planned(forked) == []


def test_a_commit_that_is_named_is_exact(forked: House) -> None:
    forked.clock.forward(minutes=5)
    forked.update_change(1, SECOND, "net/a.tf")
    forked.deliver(forked.comment(1, f"/plan {FIRST[:10]}"))
    forked.work()
    assert planned(forked) == []
    assert "the latest commit is 2222222222" in forked.comments(1)[-1]
    forked.deliver(forked.comment(1, f"/plan net {SECOND[:7]}"))
    forked.work()
    assert planned(forked) == [SECOND]


def test_a_change_of_the_repository_itself_is_planned_at_once(house: House) -> None:
    house.workspace("net")
    house.engine.will_find("net", BUCKET)
    house.open_change(1, FIRST, "net/a.tf")
    house.deliver(house.comment(1, "/plan"))
    house.work()
    assert planned(house) == [FIRST, FIRST]
