"""`/why`: why a workspace runs or does not, where it stands, and what an apply still needs."""

from __future__ import annotations

import pytest

from bot.domain.changes.reviews import Verdict
from bot.domain.errors import EngineError
from bot.domain.people.permissions import Role
from tests.fakes.engine import change
from tests.fakes.house import READER, REPO, House

BUCKET = change("aws_s3_bucket.logs", "create", after={"name": "logs"})
MORE = change("aws_s3_bucket.more", "create", after={"name": "more"})


@pytest.fixture
def three(house: House) -> House:
    """`net` is touched by change 1, `app` is not, `old` follows another branch."""
    house.workspace("net")
    house.workspace("app")
    house.workspace("old", branch="v1")
    house.engine.will_find("net", BUCKET)
    house.open_change(1, "h1", "net/a.tf")
    return house


def why(house: House) -> list[str]:
    """Return the lines of the one answer to `/why` that a change has."""
    (found,) = [text for text in house.comments(1) if text.startswith("why")]
    return found.split("\n")


def test_every_workspace_of_the_repository_has_its_reason(three: House) -> None:
    delivery = three.say(1, "/why")
    run = three.only_run()
    assert why(three) == [
        "why h1",
        "net runs on this change: net/a.tf is in net",
        f"net {run.id}: Plan: 1 to add, 0 to change, 0 to destroy",
        f"net can be applied: comment `/apply net {run.plan_code}`",
        "app does not run on this change: none of the changed files is in app/",
        "old does not run on this change: it follows branch v1, and this change goes into main",
    ]
    assert three.outcomes(delivery) == ["why"]
    assert three.reactions(1) == ["eyes", "+1"]


def test_a_later_why_edits_the_answer(three: House) -> None:
    three.say(1, "/why")
    three.say(1, "/apply")
    three.say(1, "/why net")
    apply = three.runs()[-1]
    assert why(three) == [
        "why h1",
        "net runs on this change: net/a.tf is in net",
        f"net {apply.id}: Applied: +1 ~0 -0",
        f"net can't be applied now: this commit is applied already, by {apply.id}",
    ]
    assert three.forge.calls.count("create_comment") == 3  # summary, why, outcome


def test_whom_a_run_waits_for_in_the_words_of_its_status(three: House) -> None:
    three.say(1, "/lock net because of the move")
    three.say(1, "/apply net")
    three.say(1, "/why net")
    waiting = three.runs()[-1]
    words = three.said("h1", "plangate/net/apply")[1]
    assert words == "Waiting: the workspace is locked by wren: of the move"
    assert f"net {waiting.id}: {words}" in why(three)
    assert f"net can't be applied now: {waiting.id} is under way already (pending)" in why(three)


def test_what_an_apply_lacks_in_the_words_of_its_refusal(house: House) -> None:
    house.workspace("net", require=("approved", "not_draft"))
    house.engine.will_find("net", BUCKET)
    house.open_change(1, "h1", "net/a.tf")
    house.say(1, "/apply")
    refused = house.comments(1)[-1].split("\n")[-2:]
    house.say(1, "/why")
    assert why(house)[-3:] == ["net can't be applied yet; it lacks: approved", *refused]
    house.forge.set_role(REPO, "xena", Role.WRITE)
    house.forge.review(REPO, 1, "xena", Verdict.APPROVED)
    house.say(1, "/why")
    assert why(house)[-3:] == [
        f"net can be applied: comment `/apply net {house.only_run().plan_code}`",
        "yes approved by xena",
        "yes not_draft",
    ]


def test_a_change_from_a_fork_says_what_to_do(house: House) -> None:
    house.workspace("net")
    house.open_change(1, "h1", "net/a.tf", fork=True)
    house.say(1, "/why")
    assert why(house) == [
        "why h1",
        "net runs on this change: net/a.tf is in net",
        "net a change from a fork: someone with write access may comment /plan",
    ]
    assert "a change from a fork" in house.said("h1")[1].lower()


def test_a_failed_plan_says_so(house: House) -> None:
    house.workspace("net")
    house.engine.fail("plan", EngineError("no such provider"))
    house.open_change(1, "h1", "net/a.tf")
    house.say(1, "/why")
    assert "Plan failed: no such provider" in why(house)[2]
    assert why(house)[3] == (
        "net can't be applied now: "
        "the plan of the latest commit failed: fix it, or comment `/plan` to plan again"
    )


def test_a_reader_is_answered_but_makes_nobody_ask_for_every_review(house: House) -> None:
    house.workspace("net", require=("approved",))
    house.engine.will_find("net", BUCKET)
    house.open_change(1, "h1", "net/a.tf")
    house.say(1, "/why", by=READER.login)
    assert why(house)[-1] == "net an apply needs: approved"
    assert "reviews" not in house.forge.calls


def test_a_workspace_that_is_not_there(three: House) -> None:
    three.say(1, "/why netwrok")
    assert three.comments(1)[-1] == "refused for wren\nnetwrok: acme/infra has no such workspace"


def test_a_newer_commit_has_newer_reasons(three: House) -> None:
    three.update_change(1, "h2", "app/a.tf")
    three.say(1, "/why net app")
    assert why(three)[:3] == [
        "why h2",
        "net does not run on this change: none of the changed files is in net/",
        "app runs on this change: app/a.tf is in app",
    ]


def merged_with_another_plan(house: House) -> None:
    """Merge change 1 as m1; the branch finds more to do there than the change's preview showed."""
    house.engine.will_find("net", BUCKET, MORE)
    house.close_change(1, merged=True, as_commit="m1")
    house.push("m1", "net/a.tf")


def test_after_a_merge_why_tells_of_the_run_that_apply_would_apply(three: House) -> None:
    merged_with_another_plan(three)
    preview, branch = three.runs()
    three.say(1, "/why net")
    assert why(three)[2:] == [
        f"net {branch.id}: Waiting for confirmation on the run's page",
        f"net can be applied: comment `/apply net {branch.plan_code}`",
    ]
    three.say(1, "/apply net")
    assert [(run.id, run.status.value) for run in three.runs()] == [
        (preview.id, "planned_and_finished"),
        (branch.id, "applied"),
    ]
    assert [run_id for run_id, _ in three.engine.applied] == [branch.id]
