"""A push that would apply by itself is believed only if the forge has its commit on the branch."""

from __future__ import annotations

import pytest

from bot.domain.events import BranchPushed
from tests.fakes.engine import change
from tests.fakes.house import REPO, House

BUCKET = change("aws_s3_bucket.logs", "create", after={"name": "logs"})


def pushed(commit: str, branch: str = "main") -> BranchPushed:
    return BranchPushed(REPO, branch, "", commit, "ann", "a commit", "main")


@pytest.fixture
def applying(house: House) -> House:
    house.workspace("net", auto_apply=True)
    house.engine.will_find("net", BUCKET)
    house.forge.set_branch(REPO, "main", "c1")
    return house


def test_a_commit_that_the_branch_never_had_applies_nothing(applying: House) -> None:
    delivery = applying.deliver(pushed("forged"))
    applying.work()
    assert applying.runs() == []
    applying.sweep(minutes=2)
    assert applying.reasons(delivery) == [
        "the forge does not have this commit on the branch, so nothing is applied automatically"
    ]
    assert applying.runs() == []


def test_a_forge_that_does_not_know_its_own_push_yet_is_waited_for(applying: House) -> None:
    applying.deliver(pushed("c2"))
    applying.work()
    applying.forge.set_branch(REPO, "main", "c2")
    applying.sweep()
    assert [(run.commit, run.status.value) for run in applying.runs()] == [("c2", "applied")]


def test_an_old_push_that_is_sent_again_applies_what_the_branch_has_now(applying: House) -> None:
    applying.forge.set_branch(REPO, "main", "c2")
    applying.deliver(pushed("c1"))
    applying.work()
    assert [run.commit for run in applying.runs()] == ["c2"]


def test_a_push_that_waits_for_a_person_costs_the_forge_no_question(house: House) -> None:
    house.workspace("net")
    house.engine.will_find("net", BUCKET)
    house.deliver(pushed("c1"))
    house.work()
    assert house.statuses() == ["planned"]
    assert "branch_head" not in house.forge.calls
    assert "is_on_branch" not in house.forge.calls


def test_a_push_to_another_branch_costs_the_forge_no_question(applying: House) -> None:
    applying.deliver(pushed("t1", "topic"))
    applying.work()
    assert "branch_head" not in applying.forge.calls
