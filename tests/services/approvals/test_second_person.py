"""Whose work a change is: an approval of theirs counts for nothing."""

from __future__ import annotations

import pytest

from bot.domain.changes.reviews import Verdict
from bot.domain.errors import ForgeRefused, IllegalMove
from bot.domain.people.permissions import Person, Role
from tests.fakes.engine import change
from tests.fakes.house import REPO, WRITER, House

BUCKET = change("aws_s3_bucket.logs", "create", after={"name": "logs"})
OTHER = change("aws_s3_bucket.more", "create", after={"name": "more"})


def opened(house: House, *require: str) -> None:
    house.workspace("net", require=require)
    house.engine.will_find("net", BUCKET)
    house.open_change(1, "h1", "net/a.tf")
    for login in ("xena", "yuri"):
        house.forge.set_role(REPO, login, Role.WRITE)


def applied(house: House) -> bool:
    return house.statuses()[-1] == "applied"


def test_who_pushed_to_a_colleagues_change_does_not_approve_it(house: House) -> None:
    opened(house, "approved")
    house.update_change(1, "h2", "net/a.tf", by="Xena")
    house.forge.review(REPO, 1, "xena", Verdict.APPROVED)
    house.say(1, "/apply", by="xena")
    assert "xena approved it, but pushed to it or wrote a commit of it" in house.comments(1)[-1]
    house.forge.review(REPO, 1, "yuri", Verdict.APPROVED)
    house.say(1, "/apply", by="xena")
    assert applied(house)


def test_who_pushed_before_the_author_pushed_again_is_remembered(house: House) -> None:
    opened(house, "approved")
    house.update_change(1, "h2", "net/a.tf", by="xena")
    house.update_change(1, "h3", "net/a.tf", by="ann")
    house.forge.review(REPO, 1, "xena", Verdict.APPROVED)
    house.say(1, "/apply")
    assert not applied(house)


def test_who_wrote_a_commit_of_it_does_not_approve_it(house: House) -> None:
    opened(house, "approved")
    house.forge.set_authors(REPO, 1, "ann", "Xena")
    house.forge.review(REPO, 1, "xena", Verdict.APPROVED)
    house.say(1, "/apply")
    assert "wrote a commit of it: somebody else must" in house.comments(1)[-1]
    assert not applied(house)


def test_an_owner_who_pushed_does_not_approve_for_the_owners(house: House) -> None:
    opened(house, "codeowners")
    house.forge.set_code_owners(REPO, "/net/ @xena")
    house.update_change(1, "h2", "net/a.tf", by="xena")
    house.forge.review(REPO, 1, "xena", Verdict.APPROVED)
    house.say(1, "/apply")
    assert not applied(house)


def test_authors_that_the_forge_does_not_tell_are_not_taken_for_nobody(house: House) -> None:
    opened(house, "approved")
    house.forge.review(REPO, 1, "xena", Verdict.APPROVED)
    house.forge.fail(ForgeRefused("not for you"), on="commit_authors")
    house.say(1, "/apply")
    assert "no approved not for you" in house.comments(1)[-1]


def test_approved_by_two_needs_two_people(house: House) -> None:
    opened(house, "approved: 2")
    house.forge.review(REPO, 1, "xena", Verdict.APPROVED)
    house.say(1, "/apply")
    assert "it needs 2 approvals of the latest commit and has 1: by xena" in house.comments(1)[-1]
    house.forge.review(REPO, 1, "yuri", Verdict.APPROVED)
    house.say(1, "/apply")
    assert applied(house)


@pytest.mark.parametrize("whose", ["ann", "xena", "yuri"], ids=["author", "pusher", "writer of a commit"])
def test_another_person_has_to_apply_it(house: House, whose: str) -> None:
    opened(house, "other_person")
    house.forge.set_role(REPO, "ann", Role.WRITE)
    house.update_change(1, "h2", "net/a.tf", by="xena")
    house.forge.set_authors(REPO, 1, "yuri")
    house.say(1, "/apply", by=whose)
    assert f"no other_person {whose} pushed to it or wrote a commit of it" in house.comments(1)[-1]
    house.say(1, "/apply", by=WRITER.login)
    assert applied(house)


def test_another_person_has_to_confirm_it_on_the_page_too(house: House) -> None:
    opened(house, "other_person")
    house.forge.set_role(REPO, "ann", Role.WRITE)
    house.engine.will_find("net", BUCKET, OTHER)
    house.say(1, "/apply")
    run = house.runs()[-1]
    assert run.awaits_confirmation
    with pytest.raises(IllegalMove, match="somebody else has to apply it"):
        house.controls.confirm(run.id, Person("ann", Role.WRITE))
    house.controls.confirm(run.id, WRITER)
    house.work()
    assert applied(house)
