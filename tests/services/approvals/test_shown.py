"""`/apply` means the plan that the comment showed when it was written, by the forge's clock (promise 1)."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from bot.domain.errors import ForgeUnavailable
from bot.services.approvals.shown_plans import JUST_SHOWN, NOT_SHOWN, WAS_DELAYED
from tests.fakes.engine import change
from tests.fakes.house import REPO, WRITER, House

BUCKET = change("aws_s3_bucket.logs", "create", after={"name": "logs"})
OTHER = change("aws_s3_bucket.more", "create", after={"name": "more"})


@pytest.fixture
def previewed(house: House) -> House:
    house.workspace("net")
    house.engine.will_find("net", BUCKET)
    house.open_change(1, "h1", "net/a.tf")
    return house


def test_a_status_alone_shows_nothing(house: House) -> None:
    house.workspace("net")
    house.engine.will_find("net", BUCKET)
    house.forge.fail(ForgeUnavailable("down"), on="create_comment", times=9)
    house.open_change(1, "h1", "net/a.tf")
    assert house.said("h1", "plangate/net/plan")[1] == "Plan: 1 to add, 0 to change, 0 to destroy"
    house.say(1, "/apply", work=False)
    house.work("receive")
    assert house.engine.applied == []
    assert [run.plan_only for run in house.runs()] == [True]


def test_an_apply_waits_for_a_comment_that_stands_without_an_acknowledgement(house: House) -> None:
    """The forge has it, but its answer was lost: the person has seen it, and we find that out."""
    house.workspace("net")
    house.engine.will_find("net", BUCKET)
    house.forge.fail(ForgeUnavailable("down"), on="create_comment", after=True)
    house.open_change(1, "h1", "net/a.tf")
    waits = house.say(1, "/apply", work=False)
    house.work("receive")
    assert house.delivery(waits).error == "reports are delayed: down; /apply waits for the comment"
    house.sweep()
    house.sweep()
    assert house.statuses()[-1] == "applied"


def test_an_apply_before_a_delayed_comment_is_asked_for_again(house: House) -> None:
    house.workspace("net")
    house.engine.will_find("net", BUCKET)
    house.forge.fail(ForgeUnavailable("slow down", retry_after=120), on="create_comment")
    house.open_change(1, "h1", "net/a.tf")
    house.clock.forward(minutes=1)
    waits = house.say(1, "/apply")
    assert house.delivery(waits).handled_at is None
    house.sweep(minutes=2)
    house.sweep()
    assert house.reasons(waits) == [WAS_DELAYED]
    assert WAS_DELAYED in house.comments(1)[-1]
    assert house.engine.applied == []
    house.say(1, "/apply")
    assert house.statuses()[-1] == "applied"


def test_an_apply_waits_for_an_hour_and_is_told_where_the_plan_is(house: House) -> None:
    house.workspace("net")
    house.engine.will_find("net", BUCKET)
    house.forge.fail(ForgeUnavailable("slow down", retry_after=7200), on="create_comment")
    house.open_change(1, "h1", "net/a.tf")
    waits = house.say(1, "/apply")
    house.sweep(minutes=61)
    run = house.only_run()
    page = f"https://plangate.test/runs/{run.id}"
    assert house.reasons(waits) == [
        f"reports are delayed: slow down. Look at the plan on {page}, and name it by its plan code"
    ]
    house.say(1, f"/apply net {run.plan_code}")
    assert house.statuses()[-1] == "applied"


def test_a_plan_that_changed_in_the_last_seconds_is_asked_for_again(previewed: House) -> None:
    previewed.engine.will_find("net", BUCKET, OTHER)
    previewed.say(1, "/plan")
    refused = previewed.deliver(previewed.comment(1, "/apply"))
    previewed.work()
    assert previewed.reasons(refused) == [JUST_SHOWN]
    assert JUST_SHOWN in previewed.comments(1)[-1]
    previewed.say(1, "/apply")
    assert previewed.statuses()[-1] == "applied"


def test_an_edit_that_leaves_a_plan_as_it_is_does_not_show_it_anew(previewed: House) -> None:
    previewed.workspace("app")
    previewed.clock.forward(minutes=1)
    previewed.say(1, "/lock net")
    refused_nothing = previewed.deliver(previewed.comment(1, "/unlock net"))
    previewed.work()
    assert previewed.outcomes(refused_nothing) == ["unlock"]
    previewed.deliver(previewed.comment(1, "/apply"))
    previewed.work()
    assert previewed.statuses()[-1] == "applied"


def test_a_lost_apply_that_is_redelivered_does_not_apply_a_newer_plan(previewed: House) -> None:
    previewed.clock.forward(minutes=1)
    lost = previewed.comment(1, "/apply")
    previewed.clock.forward(minutes=1)
    previewed.engine.will_find("net", BUCKET, OTHER)
    previewed.say(1, "/plan")
    previewed.clock.forward(minutes=5)
    late = previewed.deliver(lost)
    previewed.work()
    assert previewed.reasons(late) == [NOT_SHOWN]
    assert previewed.engine.applied == []


def test_a_lost_apply_that_is_redelivered_applies_what_was_shown_then(previewed: House) -> None:
    previewed.clock.forward(minutes=1)
    lost = previewed.comment(1, "/apply")
    previewed.clock.forward(minutes=5)
    previewed.deliver(lost)
    previewed.work()
    assert previewed.statuses()[-1] == "applied"


def test_a_plan_that_the_comment_shows_no_more_is_not_shown(previewed: House) -> None:
    """The newer plan was canceled, so that the older one speaks again: nobody saw that one meanwhile."""
    previewed.clock.forward(minutes=1)
    previewed.say(1, "/plan", work=False)
    previewed.work("receive", "report")
    newer = previewed.runs()[-1]
    apply = previewed.comment(1, "/apply")
    previewed.clock.forward(minutes=1)
    previewed.controls.cancel(newer.id, WRITER)
    previewed.work("report")
    late = previewed.deliver(apply)
    previewed.work()
    assert previewed.reasons(late) == [NOT_SHOWN]
    assert previewed.engine.applied == []


# A comment is handled once


def test_a_comment_that_comes_again_under_another_delivery_replays_nothing(previewed: House) -> None:
    previewed.clock.forward(minutes=1)
    said = previewed.comment(1, "/plan")
    previewed.deliver(said)
    previewed.work()
    before = len(previewed.runs())
    again = previewed.deliver(said)
    previewed.work()
    assert previewed.reasons(again) == ["this comment was handled before, by another delivery"]
    assert len(previewed.runs()) == before


def test_an_approval_is_not_replayed(previewed: House) -> None:
    previewed.clock.forward(minutes=1)
    said = previewed.comment(1, "/apply")
    previewed.engine.will_find("net", BUCKET, OTHER)
    previewed.deliver(said)
    previewed.work()
    assert previewed.statuses()[-1] == "planned"
    previewed.deliver(said)
    previewed.work()
    assert previewed.statuses()[-1] == "planned"
    assert previewed.engine.applied == []


def test_a_stranger_who_is_let_in_later_has_given_no_command_before(previewed: House) -> None:
    said = previewed.comment(1, "/plan", "mallory")
    previewed.deliver(said)
    previewed.work()
    previewed.forge.set_role(REPO, "mallory", WRITER.role)
    previewed.clock.forward(minutes=2)
    again = previewed.deliver(said)
    previewed.work()
    assert previewed.outcomes(again) == ["nothing"]
    assert len(previewed.runs()) == 1


def test_a_comment_that_failed_for_now_is_handled_when_it_is_tried_again(previewed: House) -> None:
    previewed.forge.fail(ForgeUnavailable("down"), on="files_of_change")
    previewed.say(1, "/apply")
    assert previewed.statuses() == ["planned_and_finished"]
    previewed.sweep()
    assert previewed.statuses()[-1] == "applied"


def test_a_comment_older_than_an_hour_is_answered_and_not_carried_out(previewed: House) -> None:
    previewed.clock.forward(minutes=1)
    lost = previewed.comment(1, "/apply")
    previewed.clock.forward(minutes=61)
    late = previewed.deliver(lost)
    previewed.work()
    assert previewed.outcomes(late) == ["refused"]
    assert "more than an hour after you wrote it" in previewed.comments(1)[-1]
    assert previewed.engine.applied == []


def test_a_delivery_that_does_not_say_when_has_the_forge_asked(previewed: House) -> None:
    previewed.clock.forward(minutes=1)
    lost = replace(previewed.comment(1, "/apply"), created_at=None)
    previewed.clock.forward(minutes=61)
    late = previewed.deliver(lost)
    previewed.work()
    assert previewed.outcomes(late) == ["refused"]
    recent = replace(previewed.comment(1, "/apply"), created_at=None)
    previewed.deliver(recent)
    previewed.work()
    assert previewed.statuses()[-1] == "applied"


def test_a_forge_whose_clock_is_behind_ours_is_held_to_its_own(house: House) -> None:
    house.forge.now = lambda: house.clock.now() - timedelta(minutes=20)
    house.workspace("net")
    house.engine.will_find("net", BUCKET)
    house.open_change(1, "h1", "net/a.tf")
    house.say(1, "/apply")
    assert house.statuses()[-1] == "applied"
