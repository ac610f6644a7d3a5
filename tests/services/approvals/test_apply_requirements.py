"""Applies that need more than a role: refused with a table, let through once all is met."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from bot.domain.changes.reviews import Verdict
from bot.domain.errors import ForgeRefused, ForgeUnavailable, IllegalMove
from bot.domain.people.permissions import Role
from tests.fakes.engine import change
from tests.fakes.house import PLANNER, REPO, WRITER, House

BUCKET = change("aws_s3_bucket.logs", "create", after={"name": "logs"})
OTHER = change("aws_s3_bucket.more", "create", after={"name": "more"})


@pytest.fixture
def strict(house: House) -> House:
    """A change that is previewed in `net`, which requires an approval and an up-to-date branch."""
    house.workspace("net", require=("approved", "up_to_date"))
    house.engine.will_find("net", BUCKET)
    house.open_change(1, "h1", "net/a.tf")
    house.forge.set_role(REPO, "xena", Role.WRITE)
    return house


def test_a_refused_apply_lists_each_requirement_met_or_not(strict: House) -> None:
    delivery = strict.say(1, "/apply")
    assert strict.comments(1)[-1] == (
        "refused for wren\n"
        "net lacks:\n"
        "yes permission wren has write access\n"
        "no approved nobody with write access, other than its author, has approved the latest commit\n"
        "yes up_to_date"
    )
    assert strict.outcomes(delivery) == ["refused"]
    assert strict.reactions(1) == ["eyes", "confused"]
    assert strict.statuses() == ["planned_and_finished"]


def test_an_apply_goes_on_once_a_review_approves_the_very_commit(strict: House) -> None:
    strict.forge.review(REPO, 1, "xena", Verdict.APPROVED, "h0")
    strict.say(1, "/apply")
    assert "xena approved an older commit (h0)" in strict.comments(1)[-1]
    strict.forge.review(REPO, 1, "xena", Verdict.APPROVED)
    strict.say(1, "/apply")
    assert strict.statuses() == ["planned_and_finished", "applied"]


def test_the_table_of_one_workspace_does_not_keep_another_from_its_apply(strict: House) -> None:
    strict.workspace("app")
    strict.engine.will_find("app", BUCKET)
    strict.update_change(1, "h2", "net/a.tf", "app/a.tf")
    strict.say(1, "/apply")
    assert strict.comments(1)[-2].startswith("refused for wren\nnet lacks:")
    assert strict.statuses()[-1] == "applied"
    assert strict.reactions(1) == ["eyes", "+1"]


def test_the_forge_is_asked_only_for_what_is_required(house: House) -> None:
    house.workspace("net")
    house.engine.will_find("net", BUCKET)
    house.open_change(1, "h1", "net/a.tf")
    house.forge.calls.clear()
    house.say(1, "/apply")
    assert not {"reviews", "commits_behind", "code_owners"} & set(house.forge.calls)


def test_somebody_who_may_not_apply_makes_the_bot_ask_for_no_reviews(strict: House) -> None:
    strict.forge.calls.clear()
    strict.say(1, "/apply", by=PLANNER.login)
    assert "reviews" not in strict.forge.calls
    assert strict.comments(1)[-1].count("\n") == 1


def test_what_the_forge_refuses_to_say_is_unmet_not_ignored(strict: House) -> None:
    strict.forge.review(REPO, 1, "xena", Verdict.APPROVED)
    strict.forge.fail(ForgeRefused("not known yet here"), on="reviews")
    strict.say(1, "/apply")
    assert "no approved not known yet here" in strict.comments(1)[-1]
    assert strict.statuses() == ["planned_and_finished"]


def test_a_forge_that_is_away_only_delays_the_apply(strict: House) -> None:
    strict.forge.review(REPO, 1, "xena", Verdict.APPROVED)
    strict.forge.fail(ForgeUnavailable("down"), on="reviews")
    strict.say(1, "/apply")
    assert strict.statuses() == ["planned_and_finished"]
    strict.sweep()
    assert strict.statuses() == ["planned_and_finished", "applied"]


def test_an_apply_waits_a_moment_for_a_forge_that_finds_out_whether_it_can_be_merged(house: House) -> None:
    """Forges find out only once they are asked: the first answer is that they do not know."""
    house.workspace("net", require=("mergeable",))
    house.engine.will_find("net", BUCKET)
    house.open_change(1, "h1", "net/a.tf")
    ask, asked = house.forge.change, []

    def lazy(*which: Any) -> Any:
        asked.append(which)
        return replace(ask(*which), mergeable=True if len(asked) > 2 else None)

    house.forge.change = lazy  # type: ignore[method-assign,assignment]
    house.say(1, "/apply")
    assert house.statuses() == ["planned_and_finished", "applied"]


def test_another_commit_does_not_answer_for_the_one_that_is_to_be_applied(house: House) -> None:
    house.workspace("net", require=("mergeable",))
    house.engine.will_find("net", BUCKET)
    house.open_change(1, "h1", "net/a.tf")
    ask, asked = house.forge.change, []

    def pushed_to(*which: Any) -> Any:
        asked.append(which)
        found = ask(*which)
        return replace(found, mergeable=True, head_sha="h2") if len(asked) > 1 else found

    house.forge.change = pushed_to  # type: ignore[method-assign,assignment]
    house.say(1, "/apply")
    assert "still finding out" in house.comments(1)[-1]
    assert "applied" not in house.statuses()


def test_codeowners_asks_for_a_team_and_takes_a_members_approval(house: House) -> None:
    house.workspace("net", require=("codeowners",))
    house.engine.will_find("net", BUCKET)
    house.forge.set_role(REPO, "xena", Role.WRITE)
    house.forge.set_code_owners(REPO, "/net/ @acme/ops")
    house.open_change(1, "h1", "net/a.tf")
    house.forge.review(REPO, 1, "xena", Verdict.APPROVED)
    house.say(1, "/apply")
    assert "no codeowners github has no team acme/ops" in house.comments(1)[-1]
    house.forge.set_team("acme/ops", "Xena")
    house.say(1, "/apply")
    assert house.statuses() == ["planned_and_finished", "applied"]


def test_a_confirmation_on_the_page_is_held_to_the_same(strict: House) -> None:
    strict.forge.review(REPO, 1, "xena", Verdict.APPROVED)
    strict.engine.will_find("net", BUCKET, OTHER)
    strict.say(1, "/apply")
    run = strict.runs()[-1]
    assert run.awaits_confirmation
    strict.forge.review(REPO, 1, "xena", Verdict.CHANGES_REQUESTED)
    with pytest.raises(IllegalMove, match="net is not ready to be applied: approved: xena asked for changes"):
        strict.controls.confirm(run.id, WRITER)
    strict.say(1, "/apply")
    assert "no approved xena asked for changes" in strict.comments(1)[-1]
    strict.forge.review(REPO, 1, "xena", Verdict.APPROVED)
    strict.controls.confirm(run.id, WRITER)
    strict.work()
    assert strict.run(run.id).status.value == "applied"


def test_a_run_of_a_branch_is_held_to_nothing(house: House) -> None:
    house.workspace("net", require=("approved",))
    house.engine.will_find("net", BUCKET)
    house.push("c1", "net/a.tf")
    run = house.only_run()
    house.controls.confirm(run.id, WRITER)
    house.work()
    assert house.statuses() == ["applied"]
