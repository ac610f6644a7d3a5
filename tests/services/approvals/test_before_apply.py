"""Role and requirements are asked again at the moment an apply starts."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from bot.domain.changes.reviews import Verdict
from bot.domain.errors import ForgeRefused, ForgeUnavailable
from bot.domain.people.origins import Origin, Via
from bot.domain.people.permissions import Person, Role
from bot.domain.runs.approval import ApprovalState
from bot.domain.runs.lifecycle import RunStatus, StageStatus
from bot.domain.runs.run import Run
from tests.fakes.engine import change
from tests.fakes.house import REPO, WRITER, House

BUCKET = change("aws_s3_bucket.logs", "create", after={"name": "logs"})
OTHER = change("aws_s3_bucket.more", "create", after={"name": "more"})
ON_A_PAGE = Person(WRITER.login, Role.WRITE, Origin(Via.PAGE, "github"))
NO_ACCESS = "permission: wren has no access to this repository"


def queued(house: House, *require: str, then: Callable[[], object] = lambda: None) -> Run:
    """Have an apply confirmed whose worker comes only after something has happened."""
    house.workspace("net", require=require)
    house.engine.will_find("net", BUCKET)
    house.open_change(1, "h1", "net/a.tf")
    house.forge.set_role(REPO, "xena", Role.WRITE)
    house.forge.review(REPO, 1, "xena", Verdict.APPROVED)
    house.workspace_locks.lock("net", WRITER)
    house.say(1, "/apply")
    house.workspace_locks.unlock("net", WRITER)
    then()
    house.work()
    return house.runs()[-1]


def test_an_approver_who_lost_access_meanwhile_applies_nothing(house: House) -> None:
    run = queued(house, then=lambda: house.forge.set_role(REPO, WRITER.login, Role.READ))
    assert (run.status, run.confirmed_by, run.apply_status) == (RunStatus.PLANNED, "", StageStatus.PENDING)
    words = "permission: wren has read access to this repository; apply needs write access"
    assert run.lacks == words
    assert house.engine.applied == []
    assert f"Not applied, for it lacks {words}" in house.said("h1", "plangate/net/apply")[1]
    assert f"note: Not applied, for it lacks {words}" in house.summary(1)


def test_a_reviewer_who_asks_for_changes_meanwhile_stops_it(house: House) -> None:
    run = queued(
        house, "approved", then=lambda: house.forge.review(REPO, 1, "xena", Verdict.CHANGES_REQUESTED)
    )
    assert (run.status, run.lacks) == (RunStatus.PLANNED, "approved: xena asked for changes")
    with house.store.reading() as tx:
        (record,) = tx.approvals.of_change(run.workspace_id, 1)
    assert record.state is ApprovalState.FALLEN
    assert "approved: xena asked for changes" in record.why
    house.forge.review(REPO, 1, "xena", Verdict.APPROVED)
    house.say(1, "/apply")
    assert house.run(run.id).status is RunStatus.APPLIED


def test_a_newer_commit_that_nobody_told_of_yet_stops_it(house: House) -> None:
    run = queued(house, then=lambda: house.forge.edit_change(REPO, 1, head_sha="h2"))
    assert run.status is RunStatus.PLANNED
    assert "the change is at h2" in run.lacks


def test_a_forge_that_is_away_delays_it_and_nothing_is_applied(house: House) -> None:
    run = queued(house, "approved", then=lambda: house.forge.fail(ForgeUnavailable("down"), on="reviews"))
    assert run.status in (RunStatus.CONFIRMED, RunStatus.APPLY_QUEUED)
    assert house.engine.applied == []
    house.sweep()
    assert house.run(run.id).status is RunStatus.APPLIED


def test_what_the_forge_refuses_to_say_is_not_met(house: House) -> None:
    run = queued(house, then=lambda: house.forge.fail(ForgeRefused("github: not for you"), on="role"))
    assert (run.status, run.lacks) == (RunStatus.PLANNED, "github: not for you")


def waiting(house: House) -> Run:
    """Have a run of a branch wait for a person."""
    house.workspace("net", require=("approved",))
    house.engine.will_find("net", BUCKET)
    house.push("c1", "net/a.tf")
    return house.only_run()


def test_a_confirmation_on_a_page_counts_only_with_the_role_of_that_moment(house: House) -> None:
    run = waiting(house)
    house.controls.confirm(run.id, ON_A_PAGE)
    house.forge.set_role(REPO, WRITER.login, Role.NONE)
    house.work()
    stopped = house.run(run.id)
    assert stopped.status is RunStatus.PLANNED
    assert "wren has no access" in stopped.lacks
    house.forge.set_role(REPO, WRITER.login, Role.WRITE)
    house.controls.confirm(run.id, ON_A_PAGE)
    house.work()
    assert house.run(run.id).status is RunStatus.APPLIED


@pytest.mark.parametrize(
    "who", [Origin(Via.CLI), Origin(Via.PAGE)], ids=["command line", "local administrator"]
)
def test_who_is_nobody_on_a_forge_needs_no_role_there(house: House, who: Origin) -> None:
    run = waiting(house)
    house.controls.confirm(run.id, Person("admin", Role.OWNER, who))
    house.work()
    assert house.run(run.id).status is RunStatus.APPLIED


def test_a_confirmation_of_a_changes_run_on_a_page_is_held_to_what_it_requires(house: House) -> None:
    house.workspace("net", require=("approved",))
    house.engine.will_find("net", BUCKET)
    house.open_change(1, "h1", "net/a.tf")
    house.forge.set_role(REPO, "xena", Role.WRITE)
    house.forge.review(REPO, 1, "xena", Verdict.APPROVED)
    house.engine.will_find("net", BUCKET, OTHER)
    house.say(1, "/apply")
    run = house.runs()[-1]
    house.controls.confirm(run.id, ON_A_PAGE)
    house.forge.review(REPO, 1, "xena", Verdict.CHANGES_REQUESTED)
    house.work()
    assert (house.run(run.id).status, house.run(run.id).lacks) == (
        RunStatus.PLANNED,
        "approved: xena asked for changes",
    )


def test_an_apply_by_itself_needs_nobodys_role(house: House) -> None:
    house.workspace("net", auto_apply=True)
    house.engine.will_find("net", BUCKET)
    house.push("c1", "net/a.tf")
    assert house.only_run().status is RunStatus.APPLIED
