"""Commands that arrive or are handled late: only what still stands on the forge is carried out."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from bot.domain.errors import ForgeUnavailable
from bot.domain.events import CommentAdded
from bot.domain.runs.lifecycle import RunStatus
from bot.services.ports.failed_deliveries import FailedDelivery
from tests.fakes.engine import change
from tests.fakes.house import REPO, House

BUCKET = change("aws_s3_bucket.logs", "create", after={"name": "logs"})


@pytest.fixture
def previewed(house: House) -> House:
    """A change that is previewed in one workspace, with something to apply."""
    house.workspace("network")
    house.engine.will_find("network", BUCKET)
    house.open_change(1, "h1", "network/a.tf")
    house.clock.forward(seconds=4)
    house.forge.calls.clear()
    return house


def late(house: House, comment: CommentAdded, **later: float) -> str:
    """Have a webhook come that the forge wrote some time ago."""
    house.clock.forward(**(later or {"minutes": 20}))
    delivery = house.deliver(comment)
    house.work()
    return delivery


@pytest.mark.parametrize("text", ["/apply", "/plan", "/lock network", "/help and\n/apply"])
def test_a_comment_that_was_deleted_before_its_webhook_came_changes_nothing(
    previewed: House, text: str
) -> None:
    comment, before = previewed.comment(1, text), previewed.statuses()
    previewed.forge.remove_comment(comment.comment_id)
    delivery = late(previewed, comment)
    assert previewed.statuses() == before
    assert previewed.reasons(delivery) == ["the comment came late and was deleted, so nothing was done"]
    assert len(previewed.comments(1)) == 1


def test_a_comment_that_was_edited_before_its_webhook_came_is_not_carried_out_and_that_is_said(
    previewed: House,
) -> None:
    comment = previewed.comment(1, "/apply")
    previewed.forge.edit_comment(comment.comment_id, "not yet: ~~/apply~~")
    delivery = late(previewed, comment)
    assert previewed.statuses() == ["planned_and_finished"]
    (reason,) = previewed.reasons(delivery)
    assert reason == "your comment reached Plangate late, and was edited since: comment again"
    assert reason in previewed.comments(1)[-1]


def test_a_comment_that_stands_is_carried_out_late(previewed: House) -> None:
    comment = previewed.comment(1, "/apply\r\nplease\r\n")
    previewed.forge.edit_comment(comment.comment_id, "/apply\nplease")
    late(previewed, comment)
    assert previewed.statuses() == ["planned_and_finished", "applied"]


def test_a_webhook_that_failed_and_comes_again_soon_is_late_too(previewed: House) -> None:
    comment = previewed.comment(1, "/apply")
    hook = replace(REPO, path="")
    with previewed.store.transaction() as tx:
        failed = FailedDelivery(hook, "d-1", "1", "issue_comment", previewed.clock.now(), None, 1)
        tx.failed_deliveries.add(failed)
    previewed.forge.remove_comment(comment.comment_id)
    previewed.deliver(comment, "d-1")
    previewed.work()
    assert previewed.statuses() == ["planned_and_finished"]


def test_a_comment_that_is_handled_late_is_late_too(previewed: House) -> None:
    previewed.forge.fail(ForgeUnavailable("github failed (502)"), on="role")
    comment = previewed.comment(1, "/apply")
    delivery = previewed.deliver(comment)
    previewed.work()
    previewed.forge.remove_comment(comment.comment_id)
    previewed.sweep(minutes=6)
    assert previewed.statuses() == ["planned_and_finished"]
    assert "was deleted" in previewed.reasons(delivery)[0]


def test_while_the_forge_is_away_a_late_comment_waits(previewed: House) -> None:
    comment = previewed.comment(1, "/apply")
    previewed.forge.fail(ForgeUnavailable("github failed (502)"), on="comment")
    delivery = late(previewed, comment)
    assert previewed.delivery(delivery).handled_at is None
    previewed.sweep(minutes=6)
    assert previewed.statuses()[-1] == RunStatus.APPLIED


@pytest.mark.parametrize("text", ["/why", "/help"])
def test_a_late_question_is_answered_and_not_asked_for(previewed: House, text: str) -> None:
    late(previewed, previewed.comment(1, text))
    assert "comment" not in previewed.forge.calls
    assert len(previewed.comments(1)) == 2


def test_a_comment_in_time_is_not_asked_for(previewed: House) -> None:
    previewed.say(1, "/plan")
    assert previewed.reactions(1) == ["eyes", "+1"]
    assert "comment" not in previewed.forge.calls


def test_a_stranger_can_not_make_us_ask(previewed: House) -> None:
    late(previewed, previewed.comment(1, "/apply", "sam"))
    assert "comment" not in previewed.forge.calls


def test_a_comment_whose_webhook_names_no_time_is_compared_too(previewed: House) -> None:
    comment = replace(previewed.comment(1, "/apply"), created_at=None)
    previewed.forge.edit_comment(comment.comment_id, "no")
    late(previewed, comment)
    assert previewed.statuses() == ["planned_and_finished"]
    assert timedelta(minutes=20) < previewed.clock.now() - previewed.forge.find(comment.comment_id).created_at
