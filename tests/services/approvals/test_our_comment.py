"""Our comment, edited by somebody else, is written again; applies wait until it stands."""

from __future__ import annotations

import pytest

from bot.domain.errors import ForgeUnavailable
from bot.domain.events import CommentEdited
from bot.domain.runs.lifecycle import RunStatus
from tests.fakes.engine import change
from tests.fakes.forge import FakeComment
from tests.fakes.house import REPO, WRITER, House

BUCKET = change("aws_s3_bucket.logs", "create", after={"name": "logs"})
FORGED = "plans of h1\nnothing to fear"


@pytest.fixture
def previewed(house: House) -> House:
    house.workspace("net")
    house.engine.will_find("net", BUCKET)
    house.open_change(1, "h1", "net/a.tf")
    return house


def ours(house: House) -> FakeComment:
    return house.forge.own_comments(REPO, 1)[0]


def edit(house: House, body: str = FORGED, *, work: bool = True) -> str:
    comment = ours(house)
    house.clock.forward(seconds=5)
    house.forge.edit_comment(comment.id, body)
    delivery = house.deliver(CommentEdited(REPO, 1, comment.id, "mallory"))
    if work:
        house.work()
    return delivery


def test_it_is_written_again_at_once_and_says_who_it_was(previewed: House) -> None:
    before = ours(previewed).body
    delivery = edit(previewed)
    assert previewed.reasons(delivery) == ["mallory edited our comment: it is written again"]
    assert "net: Planned" in ours(previewed).body
    assert "mallory edited or deleted this comment at 2026-11-24" in ours(previewed).body
    assert set(before.splitlines()) <= set(ours(previewed).body.splitlines())


def test_one_that_was_deleted_is_written_again(previewed: House) -> None:
    comment = ours(previewed)
    previewed.forge.remove_comment(comment.id)
    previewed.deliver(CommentEdited(REPO, 1, comment.id, "mallory", deleted=True))
    previewed.work()
    assert ours(previewed).id != comment.id
    assert "mallory edited or deleted this comment" in ours(previewed).body


def test_our_own_edits_are_none(previewed: House) -> None:
    previewed.say(1, "/plan")
    edits = previewed.forge.calls.count("update_comment")
    delivery = previewed.deliver(CommentEdited(REPO, 1, ours(previewed).id, previewed.forge.login))
    previewed.work()
    assert previewed.reasons(delivery) == ["the comment is what Plangate wrote"]
    assert previewed.forge.calls.count("update_comment") == edits


def test_the_event_of_our_own_edit_comes_after_somebody_elses_edit(previewed: House) -> None:
    comment = ours(previewed)
    previewed.forge.edit_comment(comment.id, FORGED)
    late = CommentEdited(REPO, 1, comment.id, previewed.forge.login, by_author=True)
    delivery = previewed.deliver(late)
    previewed.work()
    assert previewed.reasons(delivery) == ["somebody edited our comment: it is written again"]
    previewed.deliver(CommentEdited(REPO, 1, comment.id, "mallory"))
    previewed.work()
    assert "mallory edited or deleted this comment" in ours(previewed).body
    assert "somebody edited" not in ours(previewed).body


def test_edits_of_other_peoples_comments_lead_to_nothing(previewed: House) -> None:
    comment = previewed.forge.say(REPO, 1, "ann", "/plan")
    delivery = previewed.deliver(CommentEdited(REPO, 1, comment, "ann"))
    previewed.work()
    assert previewed.reasons(delivery) == ["the comment is not from Plangate, and only new comments are read"]
    assert len(previewed.runs()) == 1


@pytest.mark.parametrize("command", ["/apply", "/apply net {code}"])
def test_an_apply_asked_for_before_it_stands_again_is_refused(previewed: House, command: str) -> None:
    previewed.forge.fail(ForgeUnavailable("down"), on="update_comment", times=1)
    edit(previewed)
    assert ours(previewed).body == FORGED
    refused = previewed.say(1, command.format(code=previewed.only_run().plan_code), work=False)
    previewed.work("receive")
    assert "somebody edited Plangate's comment" in previewed.reasons(refused)[0]
    previewed.sweep(seconds=30)
    previewed.say(1, "/apply")
    assert previewed.statuses()[-1] == "applied"


def test_an_apply_that_is_queued_waits_until_it_stands(previewed: House) -> None:
    """Nobody told us of the edit: it is found when the apply would start."""
    previewed.workspace_locks.lock("net", WRITER)
    previewed.say(1, "/apply")
    previewed.forge.edit_comment(ours(previewed).id, FORGED)
    previewed.workspace_locks.unlock("net", WRITER)
    previewed.work("plan", "apply")
    run = previewed.runs()[-1]
    assert run.status in (RunStatus.CONFIRMED, RunStatus.APPLY_QUEUED)
    assert previewed.engine.applied == []
    previewed.sweep()
    previewed.sweep()
    assert "somebody edited or deleted this comment" in ours(previewed).body
    assert previewed.run(run.id).status is RunStatus.APPLIED
