"""What was approved elsewhere goes on only with what an apply needs, asked again at that moment."""

from __future__ import annotations

import pytest

from bot.domain.changes.reviews import Verdict
from bot.domain.errors import ForgeRefused, ForgeUnavailable, IllegalMove
from bot.domain.people.permissions import Role
from bot.domain.runs.approval import ApprovalRecord, ApprovalState
from bot.domain.runs.lifecycle import RunStatus
from bot.domain.runs.run import Run
from bot.domain.workspaces.workspace import ApplyWhen, Merging
from tests.fakes.engine import change
from tests.fakes.house import REPO, WRITER, House

BUCKET = change("aws_s3_bucket.logs", "create", after={"name": "logs"})
AFTER = Merging(apply_when=ApplyWhen.AFTER_MERGE)
KEEPS = Merging(keep_approval=True)


def approved(house: House, merging: Merging, *require: str) -> None:
    """Have a change approved on the forge, and its plan approved here."""
    house.workspace("net", merging=merging, require=require)
    house.engine.will_find("net", BUCKET)
    house.open_change(1, "h1", "net/a.tf")
    house.forge.set_role(REPO, "xena", Role.WRITE)
    house.forge.review(REPO, 1, "xena", Verdict.APPROVED)
    if merging.keep_approval:
        house.workspace_locks.lock("net", WRITER)
    house.say(1, "/apply")


def merge(house: House) -> Run:
    house.close_change(1, merged=True, as_commit="m1")
    house.push("m1", "net/a.tf")
    return house.runs()[-1]


def commit_with_the_same_plan(house: House) -> Run:
    house.update_change(1, "h2", "net/a.tf")
    house.workspace_locks.unlock("net", WRITER)
    house.work()
    return house.runs()[-1]


def records(house: House) -> list[ApprovalRecord]:
    with house.store.reading() as tx:
        return list(reversed(tx.approvals.of_change(tx.workspaces.named("net").id, 1)))


def test_behind_a_merge_what_is_still_met_goes_on(house: House) -> None:
    approved(house, AFTER, "approved", "up_to_date")
    run = merge(house)
    assert (run.status, run.confirmed_by, run.lacks) == (RunStatus.APPLIED, WRITER.login, "")


def test_behind_a_merge_an_owner_of_plangate_needs_no_role_on_the_forge(house: House) -> None:
    house.workspace("net", merging=AFTER)
    house.engine.will_find("net", BUCKET)
    house.open_change(1, "h1", "net/a.tf")
    house.say(1, "/apply", by="olga")
    run = merge(house)
    assert (run.status, run.confirmed_by, run.lacks) == (RunStatus.APPLIED, "olga", "")


def test_behind_a_merge_what_is_not_met_any_more_stops_it_and_is_said(house: House) -> None:
    approved(house, AFTER, "approved")
    house.forge.review(REPO, 1, "xena", Verdict.CHANGES_REQUESTED)
    run = merge(house)
    assert (run.status, run.lacks) == (RunStatus.PLANNED, "approved: xena asked for changes")
    words = "Not applied, for it lacks approved: xena asked for changes: comment /apply once it is"
    assert house.said("m1", "plangate/net/apply")[1].startswith(words)
    assert words in house.summary(1)
    assert records(house)[-1].why == "not applied by itself; it lacks approved: xena asked for changes"
    # The same evaluator refuses whoever asks now, and lets them once it is met.
    house.say(1, "/apply")
    assert "no approved xena asked for changes" in house.comments(1)[-1]
    house.forge.review(REPO, 1, "xena", Verdict.APPROVED)
    house.say(1, "/apply")
    assert house.run(run.id).status is RunStatus.APPLIED


def test_the_merge_may_be_told_after_the_push(house: House) -> None:
    approved(house, AFTER, "approved")
    house.forge.review(REPO, 1, "xena", Verdict.CHANGES_REQUESTED)
    house.push("m1", "net/a.tf")
    assert house.runs()[-1].lacks == ""
    delivery = house.close_change(1, merged=True, as_commit="m1")
    assert "asked" in house.outcomes(delivery)
    assert house.runs()[-1].lacks == "approved: xena asked for changes"


def test_an_approval_is_carried_over_only_with_what_the_new_commit_needs(house: House) -> None:
    approved(house, KEEPS, "approved")
    run = commit_with_the_same_plan(house)
    stale = "approved: xena approved an older commit (h1): the latest one needs it again"
    assert (run.status, run.commit, run.lacks) == (RunStatus.PLANNED, "h2", stale)
    assert records(house)[-1].state is ApprovalState.FALLEN
    house.forge.review(REPO, 1, "xena", Verdict.APPROVED)
    house.say(1, "/apply")
    assert house.run(run.id).status is RunStatus.APPLIED


def test_an_approval_is_carried_over_where_nothing_is_missing(house: House) -> None:
    approved(house, KEEPS, "up_to_date")
    run = commit_with_the_same_plan(house)
    assert (run.status, run.commit, run.confirmed_by) == (RunStatus.APPLIED, "h2", WRITER.login)
    assert records(house)[-1].state is ApprovalState.USED


@pytest.mark.parametrize("merging", [AFTER, KEEPS], ids=["merged", "carried over"])
def test_who_approved_must_still_be_somebody_who_may(house: House, merging: Merging) -> None:
    approved(house, merging)
    house.forge.set_role(REPO, WRITER.login, Role.READ)
    run = merge(house) if merging is AFTER else commit_with_the_same_plan(house)
    assert run.status is RunStatus.PLANNED
    assert run.lacks == "permission: wren has read access to this repository; apply needs write access"


def test_a_forge_that_is_away_only_delays_it(house: House) -> None:
    approved(house, AFTER, "approved")
    house.forge.fail(ForgeUnavailable("down"), on="reviews")
    run = merge(house)
    assert (run.status, run.lacks) == (RunStatus.PLANNED, "")
    house.sweep()
    assert house.run(run.id).status is RunStatus.APPLIED


def test_what_the_forge_refuses_to_say_is_not_taken_for_met(house: House) -> None:
    approved(house, AFTER)
    house.forge.fail(ForgeRefused("github: not for you"), on="role")
    run = merge(house)
    assert (run.status, run.lacks) == (RunStatus.PLANNED, "github: not for you")


def test_somebody_who_was_quicker_is_not_asked_about(house: House) -> None:
    approved(house, AFTER, "approved")
    house.forge.fail(ForgeUnavailable("down"), on="reviews")
    run = merge(house)
    house.controls.discard(run.id, WRITER)
    house.sweep()
    assert house.run(run.id).status is RunStatus.DISCARDED


def test_where_runs_apply_by_themselves_anyway_nothing_is_asked(house: House) -> None:
    house.workspace("net", merging=AFTER, require=("approved",), auto_apply=True)
    house.engine.will_find("net", BUCKET)
    house.open_change(1, "h1", "net/a.tf")
    house.forge.set_role(REPO, "xena", Role.WRITE)
    house.forge.review(REPO, 1, "xena", Verdict.APPROVED)
    house.say(1, "/apply")
    house.forge.calls.clear()
    assert merge(house).confirmed_by == WRITER.login
    assert "reviews" not in house.forge.calls


# What is approved for after the merge is never applied before it


def test_a_plan_that_is_made_again_does_not_apply_before_the_merge(house: House) -> None:
    approved(house, AFTER)
    house.say(1, "/plan")
    assert house.engine.applied == []
    assert records(house)[-1].state is ApprovalState.KEPT
    assert merge(house).status is RunStatus.APPLIED


@pytest.mark.parametrize("keeps", [True, False])
def test_a_newer_commit_voids_it_unless_the_workspace_keeps_approvals(house: House, keeps: bool) -> None:
    house.workspace("net", merging=Merging(ApplyWhen.AFTER_MERGE, keep_approval=keeps))
    house.engine.will_find("net", BUCKET)
    house.open_change(1, "h1", "net/a.tf")
    house.say(1, "/apply")
    house.update_change(1, "h2", "net/a.tf")
    assert house.engine.applied == []
    assert records(house)[-1].state is (ApprovalState.KEPT if keeps else ApprovalState.FALLEN)
    assert merge(house).status is (RunStatus.APPLIED if keeps else RunStatus.PLANNED)


def test_a_newer_commit_of_a_fork_stops_what_was_approved_of_the_older_one(house: House) -> None:
    house.workspace("net")
    house.engine.will_find("net", BUCKET)
    house.open_change(1, "h1", "net/a.tf", fork=True)
    house.say(1, "/plan")
    house.workspace_locks.lock("net", WRITER)
    house.say(1, "/apply")
    house.update_change(1, "h2", "net/a.tf")
    house.workspace_locks.unlock("net", WRITER)
    house.work()
    assert house.engine.applied == []
    assert records(house)[-1].state is ApprovalState.FALLEN


@pytest.mark.parametrize("keeps", [False, True])
def test_a_merge_that_is_told_before_the_newer_commit_that_it_merged_voids_it_too(
    house: House, keeps: bool
) -> None:
    approved(house, Merging(apply_when=ApplyWhen.AFTER_MERGE, keep_approval=keeps))
    if keeps:
        house.workspace_locks.unlock("net", WRITER)
    house.update_change(1, "h2", "net/a.tf", work=False)
    house.dispatch.lose_everything()
    run = merge(house)
    house.sweep()
    assert house.run(run.id).status is (RunStatus.APPLIED if keeps else RunStatus.PLANNED)
    assert records(house)[0].state is (ApprovalState.USED if keeps else ApprovalState.FALLEN)


def test_an_approval_is_not_carried_over_to_a_commit_that_is_not_the_latest_any_more(house: House) -> None:
    approved(house, KEEPS)
    house.update_change(1, "h2", "net/a.tf")
    house.forge.edit_change(REPO, 1, head_sha="h3")
    house.workspace_locks.unlock("net", WRITER)
    house.work()
    run = house.runs()[-1]
    assert (run.status, run.commit) == (RunStatus.PLANNED, "h2")
    assert "the change is at h3" in run.lacks


def test_a_plan_of_an_older_commit_is_not_confirmed_by_what_the_latest_one_has(house: House) -> None:
    approved(house, Merging(), "approved")
    older = house.runs()[-1]
    assert older.status is RunStatus.APPLIED
    house.engine.will_find("net", BUCKET)
    house.update_change(1, "h2", "net/a.tf")
    house.forge.review(REPO, 1, "xena", Verdict.APPROVED)
    again = house.controls.retry(older.id, WRITER)
    house.work()
    assert house.run(again.id).status is RunStatus.PLANNED
    with pytest.raises(IllegalMove, match="the change is at h2"):
        house.controls.confirm(again.id, WRITER)
