"""No comment stays doubled, whatever the forge did with a call whose answer was lost (promise 4)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from bot.domain.errors import ForgeUnavailable
from bot.services.reports.doubles import APPEARS_WITHIN
from tests.fakes.engine import change
from tests.fakes.house import REPO, House

BUCKET = change("aws_s3_bucket.logs", "create", after={"name": "logs"})
AWAY = ForgeUnavailable("github failed (502)")


@pytest.fixture
def opened(house: House) -> House:
    """A change whose preview is made, and of which nothing is reported yet."""
    house.workspace("network")
    house.engine.will_find("network", BUCKET)
    house.open_change(1, "h1", "network/a.tf", work=False)
    house.work("receive", "preview")
    return house


def carried_out_later(house: House, error: BaseException = AWAY) -> Callable[[], Any]:
    """Lose the next comment's answer; the forge carries the call out once the result is called."""
    create_comment, lost = house.forge.create_comment, []

    def slow(*about: Any) -> None:
        house.forge.create_comment = create_comment  # type: ignore[method-assign]
        lost.append(about)
        raise error

    house.forge.create_comment = slow  # type: ignore[method-assign,assignment]
    return lambda: create_comment(*lost[0])


@pytest.mark.parametrize("error", [AWAY, KeyboardInterrupt()])
def test_a_comment_that_appears_after_it_was_written_again_is_deleted(
    opened: House, error: BaseException
) -> None:
    appear = carried_out_later(opened, error)
    try:
        opened.work()
    except KeyboardInterrupt:
        opened.clock.forward(minutes=3)
    opened.sweep()
    assert len(opened.comments(1)) == 1
    [kept] = opened.forge.own_comments(REPO, 1)
    appear()
    assert len(opened.comments(1)) == 2
    opened.sweep(minutes=3)
    assert opened.forge.own_comments(REPO, 1) == [kept]
    assert opened.sweep(minutes=3) == 0, "it is searched for once"


def test_an_outcome_is_told_once(opened: House) -> None:
    opened.work()
    appear = carried_out_later(opened)
    opened.say(1, "/apply")
    opened.sweep()
    appear()
    opened.sweep(minutes=3)
    assert len([text for text in opened.comments(1) if text.startswith("network applied")]) == 1


def test_a_comment_that_may_still_appear_is_waited_for(opened: House) -> None:
    appear = carried_out_later(opened)
    opened.work()
    opened.sweep(seconds=APPEARS_WITHIN.total_seconds() - 5)
    assert opened.comments(1) == []
    appear()
    opened.sweep(seconds=6)
    opened.update_change(1, "h2", "network/a.tf")
    assert "plans of h2" in opened.summary(1)
    assert "delete_comment" not in opened.forge.calls


def test_a_double_that_stands_is_deleted_when_the_comment_is_written_again(opened: House) -> None:
    opened.work()
    [first] = opened.forge.own_comments(REPO, 1)
    for _ in range(2):
        opened.forge.say(REPO, 1, opened.forge.login, first.body)
    opened.forge.remove_comment(first.id)
    opened.update_change(1, "h2", "network/a.tf")
    assert "plans of h2" in opened.summary(1)


def test_doubles_are_searched_for_again_while_the_forge_is_away(opened: House) -> None:
    appear = carried_out_later(opened)
    opened.work()
    opened.sweep()
    appear()
    opened.forge.fail(AWAY, on="find_comments")
    opened.sweep(minutes=3)
    assert len(opened.comments(1)) == 2
    opened.sweep(minutes=3)
    assert len(opened.comments(1)) == 1


def test_a_refusal_leaves_no_doubt(opened: House) -> None:
    opened.forge.fail(ForgeUnavailable("slow down", retry_after=30), on="create_comment")
    opened.work()
    opened.sweep(seconds=31)
    assert len(opened.comments(1)) == 1
    assert opened.sweep(minutes=3) == 0
