"""Saved plans: they hold nothing, are applied in their turn as they were planned, and get outdated."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from bot.domain.errors import Forbidden, IllegalMove, Invalid
from bot.domain.events import NO_REPO
from bot.domain.people.origins import Origin, Via
from bot.domain.people.permissions import Person, Role
from bot.domain.policies.owners import Owner
from bot.domain.policies.sets import PolicySet, SetOrigin
from bot.domain.runs.lifecycle import RunStatus
from bot.domain.runs.run import Run
from bot.domain.tasks.tasks import RunTask, TaskStage
from bot.domain.workspaces.workspace import Workspace
from bot.services.configurations.api_runs import RunWishes
from tests.fakes.engine import change
from tests.fakes.house import WRITER, House

BUCKET = change("aws_s3_bucket.logs", "create", after={"name": "logs"})
PLANNER = Person("paula", Role.PLAN)


def app(house: House, name: str = "app", *changes: dict[str, Any], **about: Any) -> Workspace:
    made = house.workspace(name, repo=NO_REPO, made_by_api=True, **about)
    house.engine.will_find(name, *(changes or (BUCKET,)))
    return made


def upload(house: House, workspace: Workspace, **about: Any) -> str:
    version = house.services.uploads.ask(workspace, WRITER, queues_run=False, **about)
    return house.services.uploads.receive(version.id, b"an archive").id


def start(house: House, workspace: Workspace, by: Person = WRITER, **wishes: Any) -> Run:
    version = wishes.pop("version", "") or upload(house, workspace, provisional=True)
    run = house.services.api_runs.create(
        workspace, by, RunWishes(**{"configuration_version": version, **wishes})
    )
    house.work()
    return house.run(run.id)


def saved(house: House, workspace: Workspace, **wishes: Any) -> Run:
    run = start(house, workspace, save_plan=True, **wishes)
    assert run.status is RunStatus.PLANNED_AND_SAVED
    return run


def test_a_saved_plan_holds_nothing_and_is_applied_as_it_was_planned(house: House) -> None:
    there = app(house, auto_apply=True)
    first = saved(house, there, auto_apply=True)
    assert not first.applies_by_itself
    other = start(house, there, auto_apply=False)
    assert other.status is RunStatus.PLANNED, "it did not wait for the saved plan"
    house.controls.discard(other.id, WRITER)
    house.controls.confirm(first.id, WRITER)
    house.work()
    done = house.run(first.id)
    assert (done.status, done.confirmed_by) == (RunStatus.APPLIED, WRITER.login)
    assert house.engine.count("plan", first.id) == 1
    assert house.engine.applied == [(first.id, house.saved_plan(done))]
    assert house.kinds(done)[-6:] == [
        "planned_and_saved", "pending", "confirmed", "apply_queued", "applying", "applied",
    ]  # fmt: skip


def test_a_confirmed_saved_plan_waits_for_the_run_that_holds_the_workspace(house: House) -> None:
    there = app(house)
    first, holder = saved(house, there), start(house, there)
    house.controls.confirm(first.id, WRITER)
    house.work()
    assert house.run(first.id).status is RunStatus.PENDING
    with pytest.raises(IllegalMove):
        house.controls.confirm(first.id, WRITER)
    house.controls.discard(holder.id, WRITER)
    house.work()
    assert house.run(first.id).status is RunStatus.APPLIED


@pytest.mark.parametrize("confirm", [False, True])
def test_saved_plans_are_discarded_once_another_run_was_applied(house: House, confirm: bool) -> None:
    there, elsewhere = app(house), app(house, "elsewhere")
    stale, kept = saved(house, there), saved(house, elsewhere)
    holder = start(house, there)
    if confirm:
        house.controls.confirm(stale.id, WRITER)
    house.controls.confirm(holder.id, WRITER)
    house.work()
    assert house.run(holder.id).status is RunStatus.APPLIED
    gone = house.run(stale.id)
    assert gone.status is RunStatus.DISCARDED
    assert holder.id in house.timeline(gone)[-1].message
    assert house.run(kept.id).status is RunStatus.PLANNED_AND_SAVED
    assert [run_id for run_id, _ in house.engine.applied] == [holder.id]


def test_a_plan_without_changes_is_saved_only_for_an_empty_apply(house: House) -> None:
    there = app(house)
    house.engine.will_find("app")
    assert start(house, there, save_plan=True).status is RunStatus.PLANNED_AND_FINISHED
    saved(house, there, allow_empty_apply=True)
    waiting = start(house, there, allow_empty_apply=True)
    assert (waiting.status, waiting.has_changes) == (RunStatus.PLANNED, False)


def test_only_people_who_may_apply_confirm_a_saved_plan(house: House) -> None:
    first = saved(house, app(house), by=PLANNER)
    with pytest.raises(Forbidden):
        house.controls.confirm(first.id, PLANNER)
    assert house.run(first.id).status is RunStatus.PLANNED_AND_SAVED


def test_a_speculative_upload_saves_no_plan_and_neither_does_a_workspace_of_a_repository(
    house: House,
) -> None:
    there = app(house)
    version = upload(house, there, speculative=True)
    assert start(house, there, version=version, save_plan=True).status is RunStatus.PLANNED_AND_FINISHED
    theirs = house.workspace("network")
    planned = upload(house, theirs, speculative=True)
    with pytest.raises(Invalid, match="only runs of an uploaded configuration"):
        house.services.api_runs.create(theirs, WRITER, RunWishes(save_plan=True))
    run = start(house, theirs, version=planned, save_plan=True, plan_only=True)
    assert (run.save_plan, run.status) == (False, RunStatus.PLANNED_AND_FINISHED)


@pytest.mark.parametrize(
    ("says", "ends"),
    [
        ("tags hard-mandatory passed", RunStatus.PLANNED_AND_SAVED),
        ("tags soft-mandatory failed no", RunStatus.POLICY_SOFT_FAILED),
        ("tags hard-mandatory failed no", RunStatus.ERRORED),
    ],
)
def test_policies_judge_a_saved_plan_as_a_run_that_may_apply(
    build: Callable[..., House], says: str, ends: RunStatus
) -> None:
    house = build(policy_sets=(PolicySet("guard", origin=SetOrigin("rules"), everywhere=True),))
    house.policies.folders["rules"] = says
    assert start(house, app(house), save_plan=True).status is ends
    assert house.policies.jobs[0].run["speculative"] is False


def test_runs_of_uploads_that_nobody_decides_about_are_discarded_after_a_time(house: House) -> None:
    there, elsewhere = app(house), app(house, "elsewhere")
    abandoned, kept = start(house, there), saved(house, elsewhere)
    house.sweep(hours=23)
    assert house.run(abandoned.id).status is RunStatus.PLANNED
    house.sweep(hours=2)
    gone = house.run(abandoned.id)
    assert gone.status is RunStatus.DISCARDED
    assert house.timeline(gone)[-1].message == "nobody confirmed or discarded it within 24 hours"
    assert house.run(kept.id).status is RunStatus.DISCARDED
    network = house.workspace("network")
    house.engine.will_find("network", BUCKET)
    house.push("c2", "network/main.tf")
    house.sweep(hours=30)
    assert [run.status for run in house.runs(network)][-1] is RunStatus.PLANNED


def test_owners_of_a_set_override_in_a_workspace_without_a_repository_by_their_own_forge(
    build: Callable[..., House],
) -> None:
    guard = PolicySet("guard", SetOrigin("rules"), everywhere=True, owners=(Owner("github", "olga"),))
    house = build(policy_sets=(guard,))
    house.policies.folders["rules"] = "tags soft-mandatory failed no"
    run = start(house, app(house))
    assert run.status is RunStatus.POLICY_OVERRIDE
    for forge in ("", "gitlab"):
        stranger = Person("olga", Role.OWNER, Origin(Via.PAGE, forge))
        with pytest.raises(Forbidden, match="not an owner of the policy set guard"):
            house.controls.override(run.id, stranger, "mine")
    olga = Person("olga", Role.READ, Origin(Via.PAGE, "github"))
    assert house.controls.may_override(run.id, olga)
    assert house.controls.override(run.id, olga, "it is fine").status is RunStatus.POLICY_CHECKED


def test_run_tasks_are_told_that_a_saved_plan_may_be_applied(build: Callable[..., House]) -> None:
    house = build(run_tasks=(RunTask("cost", stages=(TaskStage.POST_PLAN,)),))
    there = app(house)
    start(house, there, save_plan=True)
    start(house, there, plan_only=True)
    told = [request["is_speculative"] for _, request in house.task_caller.asked]
    assert told == [False, True]
