"""A change that merges itself: once it is applied, at the commit that was applied, once; or why not."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from bot.domain.errors import ForgeRefused, ForgeUnavailable, NotMergeable
from bot.domain.workspaces.merge_method import MergeMethod
from bot.domain.workspaces.workspace import ApplyWhen, Merging
from tests.fakes.engine import change
from tests.fakes.house import REPO, WRITER, House

BUCKET = change("aws_s3_bucket.logs", "create", after={"name": "logs"})
ON = Merging(automerge=True)
NEEDS_REVIEW = NotMergeable("github refused the merge: At least 1 approving review is required")


@pytest.fixture
def opened(house: House) -> House:
    """A change that touches `net`, which changes, and `app`, which does not."""
    for name in ("net", "app"):
        house.workspace(name, merging=ON)
    house.engine.will_find("net", BUCKET)
    house.open_change(1, "h1", "net/a.tf", "app/a.tf")
    house.forge.edit_change(REPO, 1, mergeable=True)
    return house


def merged(house: House) -> bool:
    return house.forge.change(REPO, 1).merged


def merges(house: House) -> int:
    return house.forge.calls.count("merge")


def test_a_change_is_merged_once_it_is_applied(opened: House) -> None:
    assert not merged(opened)
    opened.say(1, "/apply")
    assert merged(opened)
    assert opened.forge.calls.index("merge") > opened.forge.calls.index("set_status")
    opened.sweep(hours=2)
    assert merges(opened) == 1


def test_what_stands_on_the_change_stands_before_it_is_merged(opened: House) -> None:
    merge = opened.forge.merge
    seen = []

    def looked(*about: Any) -> Any:
        seen.append(opened.said("h1"))
        return merge(*about)

    opened.forge.merge = looked  # type: ignore[method-assign,assignment]
    opened.say(1, "/apply")
    assert [state for state, _ in seen] == ["success"]


def test_a_change_with_nothing_to_apply_is_left_to_people(opened: House) -> None:
    opened.engine.will_find("net")
    opened.update_change(1, "h2", "net/a.tf", "app/a.tf")
    assert merges(opened) == 0
    assert "Not merged by itself: nothing of its latest commit was applied" in opened.summary(1)


def test_a_refusal_is_said_on_the_change_and_tried_again_until_it_is_merged(opened: House) -> None:
    opened.forge.fail(NEEDS_REVIEW, on="merge", times=3)
    opened.say(1, "/apply")
    opened.sweep(seconds=3)
    said = "Applied, but not merged yet: github refused the merge: At least 1 approving review is required"
    assert said in opened.summary(1)
    edits = opened.forge.calls.count("update_comment")
    opened.sweep(minutes=5)
    assert (merges(opened), merged(opened)) == (3, False)
    assert opened.forge.calls.count("update_comment") == edits, "the same reason is said once"
    opened.sweep(minutes=5)
    assert merged(opened)


def test_a_refusal_is_asked_about_less_and_less_often(opened: House) -> None:
    opened.forge.fail(NEEDS_REVIEW, on="merge", times=1000)
    opened.say(1, "/apply")
    for _ in range(48):
        opened.sweep(minutes=30)
    assert merges(opened) < 70


def test_missing_permissions_are_said_and_mended_without_a_new_commit(opened: House) -> None:
    opened.forge.fail(ForgeRefused("github: Resource not accessible by integration"), on="merge")
    opened.say(1, "/apply")
    opened.sweep(seconds=1)
    assert "Resource not accessible by integration" in opened.summary(1) or merged(opened)
    opened.sweep(minutes=1)
    assert merged(opened)


def test_a_merge_whose_answer_was_lost_is_not_asked_for_again(opened: House) -> None:
    opened.forge.fail(ForgeUnavailable("away"), on="merge", after=True)
    opened.say(1, "/apply")
    assert merged(opened)
    opened.sweep(minutes=1)
    opened.sweep(minutes=1)
    assert merges(opened) == 1
    with opened.store.reading() as tx:
        record = tx.changes.numbered(REPO, 1)
        assert record is not None
        assert tx.posts.undelivered(record.id) == []


def test_a_commit_that_came_meanwhile_is_not_merged(opened: House) -> None:
    opened.forge.fail(ForgeUnavailable("away", 60), on="merge")
    opened.say(1, "/apply")
    # The forge knows of the commit before anybody tells us.
    opened.forge.edit_change(REPO, 1, head_sha="h2")
    opened.sweep(minutes=2)
    assert not merged(opened)
    opened.update_change(1, "h2", "net/a.tf", "app/a.tf")
    opened.sweep(hours=1)
    assert not merged(opened)
    assert "Not merged by itself: nothing of its latest commit was applied" in opened.summary(1)
    opened.engine.will_find("net", BUCKET)
    opened.update_change(1, "h3", "net/a.tf", "app/a.tf")
    opened.say(1, "/apply")
    assert merged(opened)


def test_a_plan_that_came_meanwhile_takes_the_merge_back(opened: House) -> None:
    opened.forge.fail(NEEDS_REVIEW, on="merge", times=9)
    opened.say(1, "/apply")
    opened.engine.will_find("net", BUCKET)
    opened.say(1, "/plan net")
    opened.forge.heal()
    opened.sweep(hours=1)
    assert not merged(opened)
    opened.say(1, "/why")
    assert "Merged by itself once every workspace is applied; left: net: Plan" in opened.comments(1)[-1]


def test_what_is_approved_for_after_the_merge_is_merged_and_then_applied(house: House) -> None:
    house.workspace("net", merging=Merging(ApplyWhen.AFTER_MERGE, automerge=True))
    house.engine.will_find("net", BUCKET)
    house.open_change(1, "h1", "net/a.tf")
    house.forge.edit_change(REPO, 1, mergeable=True)
    house.say(1, "/apply")
    assert "Approved by wren, applied once it is merged; next: nothing" in house.summary(1)
    made = house.forge.change(REPO, 1).merge_sha
    assert made
    house.close_change(1, merged=True, as_commit=made)
    house.push(made, "net/a.tf")
    run = house.runs()[-1]
    assert (run.status.value, run.confirmed_by, run.commit) == ("applied", WRITER.login, made)


def test_the_way_of_merging_is_handed_on(house: House) -> None:
    house.workspace("net", merging=Merging(automerge=True, merge_method=MergeMethod.REBASE))
    house.engine.will_find("net", BUCKET)
    house.forge.set_merge_methods(REPO, MergeMethod.SQUASH)
    house.open_change(1, "h1", "net/a.tf")
    house.forge.edit_change(REPO, 1, mergeable=True)
    house.say(1, "/apply")
    house.clock.forward(seconds=2)
    house.sweep(seconds=1)
    assert "not merged yet: github refused to merge: rebase is not allowed" in house.summary(1)
    house.workspace("net", merging=Merging(automerge=True, merge_method=MergeMethod.SQUASH))
    house.say(1, "/why")
    house.sweep(minutes=1)
    assert merged(house)


def test_a_closed_change_is_not_merged(opened: House) -> None:
    opened.forge.fail(NEEDS_REVIEW, on="merge", times=9)
    opened.say(1, "/apply")
    opened.close_change(1)
    opened.forge.heal()
    tried = merges(opened)
    opened.clock.forward(seconds=timedelta(hours=1).total_seconds())
    opened.sweep()
    assert merges(opened) == tried
