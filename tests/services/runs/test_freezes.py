"""Applies wait for the end of a freeze, say until when, and start by themselves."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from bot.domain.changes.reviews import Verdict
from bot.domain.errors import ForgeUnavailable
from bot.domain.people.audit import AuditAction
from bot.domain.people.permissions import Role
from bot.domain.runs.lifecycle import RunStatus
from bot.domain.runs.run import Run
from bot.domain.workspaces.freeze import FreezeWindow
from bot.domain.workspaces.workspace import ApplyWhen, Merging
from bot.services.ports import AuditQuery
from tests.fakes.engine import change
from tests.fakes.house import REPO, WRITER, House
from tests.services.approvals.test_our_comment import edit

BUCKET = change("aws_s3_bucket.logs", "create", after={"name": "logs"})
# The tests begin on Tuesday at 12:00 UTC, which is 13:00 in Berlin.
NOON = FreezeWindow("30 12 * * TUE", timedelta(hours=4), "Europe/Berlin", why="The fair is on")
WORDS = "waits until Tue 24 Nov 16:30 Europe/Berlin: The fair is on"
STATUS = f"W{WORDS[1:]}"


def place(house: House, name: str = "network", **fields: Any) -> None:
    fields = {"freeze": (NOON,), **fields}
    house.workspace(name, **fields)
    house.engine.will_find(name, BUCKET)


def last(house: House, name: str = "network") -> Run:
    return house.runs(house.find_workspace(name), plan_only=False)[-1]


@pytest.fixture
def opened(house: House) -> House:
    """A change in a workspace that is frozen until half past three UTC, with its preview."""
    place(house)
    house.open_change(1, "h1", "network/main.tf")
    return house


@pytest.fixture
def waiting(opened: House) -> House:
    """The same, approved: its apply waits."""
    opened.say(1, "/apply")
    return opened


def test_an_approved_apply_waits_and_says_until_when_everywhere(waiting: House) -> None:
    run = last(waiting)
    assert (run.status, run.waits_for_freeze) == (RunStatus.APPLY_QUEUED, True)
    assert waiting.engine.applied == []
    assert waiting.said("h1", "plangate/network/apply") == ("pending", STATUS)
    assert f"network: {STATUS}" in waiting.summary(1)
    waiting.say(1, "/why network")
    assert STATUS in waiting.comments(1)[-1]
    assert [e.message for e in waiting.timeline(run) if e.kind == "frozen"] == [WORDS]


def test_it_starts_by_itself_at_the_end(waiting: House) -> None:
    waiting.sweep(hours=3, minutes=20)
    assert last(waiting).status is RunStatus.APPLY_QUEUED
    waiting.clock.at = datetime(2026, 11, 24, 15, 30, tzinfo=UTC)
    waiting.sweep(seconds=1)
    run = last(waiting)
    assert (run.status, run.frozen) == (RunStatus.APPLIED, None)
    assert waiting.kinds(run).count("frozen") == 1
    assert waiting.said("h1", "plangate/network/apply")[0] == "success"


def test_the_sweep_wakes_nobody_in_vain(waiting: House) -> None:
    waiting.sweep(minutes=5)
    assert waiting.sweep(minutes=5) == 0


def test_previews_are_planned_during_a_freeze(opened: House) -> None:
    opened.say(1, "/plan")
    assert opened.said("h1", "plangate/network/plan")[0] == "success"


def test_a_confirmation_and_auto_apply_wait_too(house: House) -> None:
    place(house)
    place(house, "app", auto_apply=True)
    house.push("c1", "network/main.tf", "app/main.tf")
    house.controls.confirm(last(house).id, WRITER)
    house.work()
    assert house.engine.applied == []
    assert [house.said("c1", f"plangate/{name}/apply")[1] for name in ("network", "app")] == [STATUS] * 2
    house.sweep(hours=4)
    assert [last(house, name).status for name in ("network", "app")] == [RunStatus.APPLIED] * 2


def test_dependents_wait_for_their_own_freeze(house: House) -> None:
    place(house, freeze=())
    place(house, "app", depends_on=("network",))
    house.open_change(1, "h1", "network/main.tf", "app/main.tf")
    house.say(1, "/apply")
    assert last(house).status is RunStatus.APPLIED
    assert house.said("h1", "plangate/app/apply") == ("pending", STATUS)
    house.sweep(hours=4)
    assert last(house, "app").status is RunStatus.APPLIED


def test_dependents_wait_for_one_that_is_frozen(house: House) -> None:
    place(house)
    place(house, "app", freeze=(), depends_on=("network",))
    house.open_change(1, "h1", "network/main.tf", "app/main.tf")
    house.say(1, "/apply")
    words = "Waits for network (waits for the end of a freeze)"
    assert house.said("h1", "plangate/app/apply")[1] == words
    house.sweep(hours=4)
    assert [last(house, name).status for name in ("network", "app")] == [RunStatus.APPLIED] * 2


def test_the_next_run_of_the_queue_says_what_it_waits_for(waiting: House) -> None:
    waiting.open_change(2, "h2", "network/other.tf")
    waiting.say(2, "/apply")
    said = waiting.said("h2", "plangate/network/apply")[1]
    assert "(waits for the end of a freeze)" in said


def test_the_moment_of_the_start_decides(house: House) -> None:
    """The freeze begins after the comment, and before the apply."""
    later = replace(NOON, starts="1 13 * * TUE")
    place(house, freeze=(later,))
    house.open_change(1, "h1", "network/main.tf")
    house.say(1, "/apply", work=False)
    house.work("receive")
    house.clock.forward(minutes=2)
    house.work()
    assert last(house).waits_for_freeze


def test_what_is_at_work_goes_on(house: House) -> None:
    place(house, freeze=(replace(NOON, starts="1 13 * * TUE"),))
    house.open_change(1, "h1", "network/main.tf")
    house.engine.during("apply", lambda _: house.clock.forward(minutes=30))
    house.say(1, "/apply")
    assert last(house).status is RunStatus.APPLIED


def test_a_freeze_that_is_removed_or_made_longer_counts_from_the_next_sweep_on(waiting: House) -> None:
    found = waiting.find_workspace("network")
    assert found is not None
    with waiting.store.transaction() as tx:
        tx.workspaces.put(replace(found, freeze=(replace(NOON, length=timedelta(hours=6)),)))
    waiting.sweep(minutes=1)
    assert "18:30" in waiting.said("h1", "plangate/network/apply")[1]
    with waiting.store.transaction() as tx:
        tx.workspaces.put(replace(found, freeze=()))
    waiting.sweep(minutes=1)
    assert last(waiting).status is RunStatus.APPLIED


def test_requirements_are_checked_after_the_freeze(waiting: House) -> None:
    waiting.forge.set_role(REPO, WRITER.login, Role.READ)
    waiting.sweep(hours=4)
    run = last(waiting)
    assert (run.status, waiting.engine.applied) == (RunStatus.PLANNED, [])
    assert "apply needs write access" in run.lacks


def test_a_forge_that_is_away_at_the_end_has_time_to_come_back(waiting: House) -> None:
    waiting.forge.fail(ForgeUnavailable("away"), times=1)
    waiting.sweep(hours=4)
    assert last(waiting).status is RunStatus.APPLY_QUEUED
    waiting.sweep(minutes=1)
    assert last(waiting).status is RunStatus.APPLIED


def test_it_can_be_canceled_and_a_newer_commit_stops_it(waiting: House) -> None:
    waiting.update_change(1, "h2", "network/main.tf")
    assert last(waiting).status is RunStatus.CANCELED
    waiting.say(1, "/apply")
    waiting.say(1, "/cancel network")
    assert last(waiting).status is RunStatus.CANCELED
    waiting.sweep(hours=4)
    assert waiting.engine.applied == []


def test_a_frozen_run_does_not_keep_others_from_starting(waiting: House) -> None:
    """A worker that takes the job of another run chooses among those that may start."""
    place(waiting, "app", freeze=())
    waiting.open_change(2, "h2", "app/main.tf")
    waiting.say(2, "/apply")
    assert last(waiting, "app").status is RunStatus.APPLIED


# --- owners may ignore it -----------------------------------------------------------------------------------


def audit(house: House) -> list[tuple[str, str, str]]:
    with house.store.reading() as tx:
        lines = tx.audit.find(AuditQuery())
    return [(e.login, e.ending.value, e.detail) for e in lines if e.deed is AuditAction.IGNORE_FREEZE]


def test_an_owner_lets_a_waiting_run_start_with_a_reason(waiting: House) -> None:
    waiting.say(1, "/apply network --ignore-freeze the site is down", by="olga")
    run = last(waiting)
    assert (run.status, run.freeze_ignored) == (RunStatus.APPLIED, "olga: the site is down")
    assert audit(waiting) == [("olga", "done", "the site is down")]
    assert ("olga", "the site is down") in [(e.actor, e.message) for e in waiting.timeline(run)]


def test_an_owner_approves_and_ignores_at_once(opened: House) -> None:
    opened.say(1, "/apply -ignore-freeze because the site is down", by="olga")
    assert last(opened).status is RunStatus.APPLIED
    assert len(audit(opened)) == 1


@pytest.mark.parametrize("state", ["opened", "waiting"])
def test_others_may_not(state: str, request: pytest.FixtureRequest) -> None:
    house: House = request.getfixturevalue(state)
    house.say(1, "/apply network -ignore-freeze now")
    assert "wren has write access to this repository; ignore a freeze needs owner access" in "".join(
        house.comments(1)
    )
    assert house.engine.applied == []
    assert audit(house) == []


def test_it_needs_a_reason(waiting: House) -> None:
    waiting.say(1, "/apply network -ignore-freeze", by="olga")
    assert any("-ignore-freeze needs a reason" in text for text in waiting.comments(1))
    assert last(waiting).waits_for_freeze


def test_it_ignores_nothing_but_the_freeze(house: House) -> None:
    place(house, require=("approved",))
    house.open_change(1, "h1", "network/main.tf")
    house.say(1, "/apply network -ignore-freeze now", by="olga")
    assert house.runs(plan_only=False) == []


def test_a_plain_apply_says_how_an_owner_lets_it_start(waiting: House) -> None:
    waiting.say(1, "/apply network")
    said = waiting.comments(1)[-1]
    assert (
        f"is approved already and {WORDS}; an owner lets it start by `-ignore-freeze` with a reason" in said
    )


@pytest.mark.parametrize("state", ["opened", "waiting"])
@pytest.mark.parametrize("command", ["/apply network", "/plangate apply network", "/apply -d network"])
@pytest.mark.parametrize("flag", ["-ignore-freeze now", "--ignore-freeze because now"])
def test_a_plan_code_counts_with_the_flag_too(
    state: str, command: str, flag: str, request: pytest.FixtureRequest
) -> None:
    house: House = request.getfixturevalue(state)
    right = house.runs(house.find_workspace("network"))[0].plan_code
    command = command.replace("-d network", "-d network network")
    house.say(1, f"{command} 1234567 {flag}", by="olga")
    assert f"network: the plan that can be applied now is {right}, not 1234567" in house.comments(1)[-1]
    assert (house.engine.applied, audit(house)) == ([], [])
    house.say(1, f"{command} {right} {flag}", by="olga")
    assert last(house).status is RunStatus.APPLIED
    assert len(audit(house)) == 1


def test_of_several_only_those_with_their_plan_codes_start(waiting: House) -> None:
    place(waiting, "app")
    waiting.open_change(2, "h2", "network/b.tf", "app/main.tf")
    waiting.say(1, "/cancel network")
    waiting.say(2, "/apply")
    right = last(waiting, "app").plan_code
    waiting.say(2, f"/apply network 1234567 app {right} -ignore-freeze now", by="olga")
    assert [last(waiting, name).status for name in ("network", "app")] == [
        RunStatus.APPLY_QUEUED,
        RunStatus.APPLIED,
    ]


def test_one_whose_comment_was_edited_does_not_start(waiting: House) -> None:
    waiting.forge.fail(ForgeUnavailable("down"), on="update_comment", times=1)
    edit(waiting)
    refused = waiting.say(1, "/apply network -ignore-freeze now", by="olga", work=False)
    waiting.work("receive")
    assert "somebody edited Plangate's comment" in waiting.reasons(refused)[0]
    assert audit(waiting) == []


def after_merge(house: House) -> None:
    found = house.find_workspace("network")
    assert found is not None
    with house.store.transaction() as tx:
        tx.workspaces.put(replace(found, merging=Merging(apply_when=ApplyWhen.AFTER_MERGE)))


@pytest.mark.parametrize("state", ["opened", "waiting"])
@pytest.mark.parametrize("words", ["", " network", " network CODE"])
def test_before_the_merge_nothing_is_ignored_where_it_is_applied_after_it(
    state: str, words: str, request: pytest.FixtureRequest
) -> None:
    house: House = request.getfixturevalue(state)
    after_merge(house)
    said = "network: it is applied after the merge, so `-ignore-freeze` counts only then"
    if state == "waiting" and "CODE" not in words:
        # As without the flag: the comment shows the run that waits, not the preview.
        said = "the newest plan was not shown here yet"
    words = words.replace("CODE", house.runs(house.find_workspace("network"))[0].plan_code)
    house.say(1, f"/apply{words} -ignore-freeze now", by="olga")
    assert said in house.comments(1)[-1]
    assert (house.engine.applied, audit(house)) == ([], [])


def test_after_the_merge_an_owner_lets_the_run_of_the_branch_start(opened: House) -> None:
    after_merge(opened)
    opened.say(1, "/apply")
    opened.close_change(1, merged=True, as_commit="m1")
    opened.push("m1", "network/main.tf")
    run = last(opened)
    assert run.waits_for_freeze
    opened.say(1, "/apply network")
    said = f"{run.id} of the branch is approved and {WORDS}; an owner lets it start by `-ignore-freeze`"
    assert said in opened.comments(1)[-1]
    opened.say(1, "/apply network 1234567 -ignore-freeze now", by="olga")
    assert opened.engine.applied == []
    opened.say(1, f"/apply network {run.plan_code} -ignore-freeze now", by="olga")
    assert last(opened).status is RunStatus.APPLIED


def test_what_is_put_back_waits_for_the_freeze_again(house: House) -> None:
    """The owner has let one approval start, not the next one of somebody else."""
    place(house, require=("approved",))
    house.open_change(1, "h1", "network/main.tf")
    house.forge.review(REPO, 1, "rea", Verdict.APPROVED, "h1")
    house.forge.set_role(REPO, "rea", Role.WRITE)
    house.say(1, "/apply network", work=False)
    house.work("receive")
    house.work()
    assert last(house).waits_for_freeze
    house.say(1, "/apply network -ignore-freeze now", by="olga", work=False)
    house.work("receive")
    house.forge.review(REPO, 1, "rea", Verdict.CHANGES_REQUESTED, "h1")
    house.work()
    assert last(house).status is RunStatus.PLANNED
    house.forge.review(REPO, 1, "rea", Verdict.APPROVED, "h1")
    house.say(1, "/apply network")
    assert last(house).waits_for_freeze
    assert house.engine.applied == []


# --- whatever dies ------------------------------------------------------------------------------------------


def test_a_worker_that_dies_at_the_start_after_a_freeze_loses_nothing(waiting: House) -> None:
    waiting.clock.forward(hours=4)
    waiting.killed_while("apply", lambda: waiting.execution.advance(last(waiting).id))
    waiting.sweep(minutes=10)
    waiting.sweep(minutes=10)
    assert last(waiting).cut_off


def test_windows_and_waiting_runs_are_stored_as_they_are(build: Callable[..., House]) -> None:
    house = build()
    place(house, freeze=(NOON, replace(NOON, deny=False, zone="UTC")))
    found = house.find_workspace("network")
    assert found is not None
    assert found.freeze == (NOON, replace(NOON, deny=False, zone="UTC"))
