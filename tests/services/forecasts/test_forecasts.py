"""Open changes are planned together while no run waits, and both comments say what they do to each other."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from bot.domain.errors import EngineError, ForgeUnavailable
from bot.domain.people.permissions import Action, Person, Role
from bot.domain.runs.lifecycle import RunStatus
from bot.domain.runs.run import Run, RunSource
from bot.domain.workspaces.workspace import Merging, PlanOf, Workspace
from bot.services.ports import EngineJob, ForecastRecord, Limits
from bot.services.runs.queue_plan import PlanOptions
from tests.fakes.engine import change, plan_json
from tests.fakes.house import REPO, House

MERGES = Merging(plan_of=PlanOf.MERGE)
ADMIN = Person("admin", Role.OWNER)
ONE, OTHER = change("a.one"), change("a.other")


def network(house: House, name: str = "network", **fields: Any) -> Workspace:
    house.forge.set_branch(REPO, "main", "base1")
    return house.workspace(name, **{"merging": MERGES, **fields})


def finds(house: House, number: int, *changes: Any, place: str = "network", base: str = "base1") -> None:
    house.engine.plans[f"{place} at merge-head{number}-{base}"] = plan_json(*changes)


def together(house: House, first: int, second: int, *changes: Any, place: str = "network") -> None:
    house.engine.plans[f"{place} at merge-head{second}-head{first}-base1"] = plan_json(*changes)


def opened(house: House, *both: Any, **fields: Any) -> Workspace:
    """Have two changes of a workspace open that touch other resources; say what both do together."""
    workspace = network(house, **fields)
    finds(house, 1, ONE)
    finds(house, 2, OTHER)
    together(house, 1, 2, *both)
    for number in (1, 2):
        house.open_change(number, f"head{number}", "network/a.tf")
    return workspace


def forecasts(house: House) -> list[Run]:
    return [run for run in house.runs() if run.source is RunSource.FORECAST]


def records(house: House, workspace: Workspace) -> list[ForecastRecord]:
    with house.store.reading() as tx:
        return list(tx.forecasts.of_workspace(workspace.id))


def test_both_comments_say_that_two_changes_are_independent(house: House) -> None:
    opened(house, ONE, OTHER)
    assert forecasts(house) == []
    house.sweep()
    (run,) = forecasts(house)
    assert (run.plan_only, run.change_number, run.files_of) == (True, None, "merge-head2-head1-base1")
    assert "independent of #2" in house.summary(1)
    assert "independent of #1" in house.summary(2)


def test_both_comments_say_that_the_order_matters(house: House) -> None:
    opened(house)
    finds(house, 1, change("a.x", "update", after=1))
    finds(house, 2, change("a.x", "update", after=2))
    house.say(1, "/plan")
    house.say(2, "/plan")
    together(house, 1, 2, change("a.x", "update", after=2))
    house.sweep()
    assert "the order with #2 matters: a.x" in house.summary(1)
    assert "the order with #1 matters: a.x" in house.summary(2)


def test_both_comments_say_what_only_both_do(house: House) -> None:
    opened(house, ONE, OTHER, change("db.main", "delete", "create"))
    house.sweep()
    assert "together with #2: replaces db.main" in house.summary(1)
    assert "together with #1: replaces db.main" in house.summary(2)


def test_changes_that_conflict_say_so_and_nothing_is_planned(house: House) -> None:
    house.merges.conflicts["head2", "head1"] = ("main.tf",)
    opened(house)
    house.sweep()
    assert forecasts(house) == []
    assert "conflicts with #2 in main.tf" in house.summary(1)
    assert "conflicts with #1 in main.tf" in house.summary(2)


def test_a_plan_of_both_that_fails_says_why(house: House) -> None:
    opened(house)
    house.engine.fail(
        "plan", EngineError("terraform plan failed"), "\nError: Duplicate resource\n\n  on a.tf\n"
    )
    house.sweep()
    assert "together with #2 the plan fails: Duplicate resource" in house.summary(1)


def test_a_merge_that_fails_is_told_and_not_tried_again(house: House) -> None:
    opened(house)
    house.merges.faults = [EngineError("Git is too old")]
    house.sweep()
    house.sweep()
    assert forecasts(house) == []
    assert "together with #2 the plan fails: Git is too old" in house.summary(1)


def test_a_forge_that_is_away_only_delays_a_forecast(house: House) -> None:
    opened(house, ONE, OTHER)
    house.forge.fail(ForgeUnavailable("the forge is down"), "remote")
    house.dispatch.forecast()
    house.work("forecast")
    assert forecasts(house) == []
    house.sweep()
    assert "independent of #2" in house.summary(1)


# --- it is a run of nobody's


def test_a_forecast_posts_no_status_and_is_no_plan_of_a_change(house: House) -> None:
    opened(house, ONE, OTHER)
    before = {sha: house.said(sha) for sha in ("head1", "head2")}
    house.sweep()
    (run,) = forecasts(house)
    assert {sha: house.said(sha) for sha in ("head1", "head2")} == before
    assert not run.reported
    assert run.id not in house.summary(2)
    house.say(2, "/apply")
    applied = house.runs(plan_only=False)
    assert [each.approval.shown_run_id for each in applied if each.approval] == [
        next(each.id for each in house.runs(change_number=2) if each.plan_only)
    ]
    assert applied[-1].status is RunStatus.APPLIED


def test_a_forecast_can_be_canceled_but_not_retried_or_applied(house: House) -> None:
    opened(house, ONE, OTHER)
    house.sweep()
    (run,) = forecasts(house)
    assert run.legal() == ()
    assert Action.CONFIRM not in run.legal()
    assert "is made again if one of its plans changes" in run.possible()


def test_a_forecast_that_a_person_cancels_is_not_made_again(house: House) -> None:
    opened(house, ONE, OTHER)
    house.engine.during("plan", lambda job: house.controls.cancel(job.run_id, ADMIN))
    house.sweep()
    house.sweep()
    assert [run.status for run in forecasts(house)] == [RunStatus.CANCELED]
    assert "the forecast with #2 was canceled by admin" in house.summary(1)


def test_a_forecast_reads_the_state_and_fills_no_cache(house: House) -> None:
    opened(house, ONE, OTHER)
    house.sweep()
    job = house.engine.jobs[-1]
    assert job.run_id == forecasts(house)[0].id
    assert job.state is not None
    assert job.state.lock is False
    assert job.fills_cache is False
    assert job.merged is not None
    assert (job.merged.head, job.merged.base, job.merged.first) == ("head2", "base1", "head1")


# --- when, and how many


def test_nothing_is_planned_together_while_a_run_waits(house: House) -> None:
    opened(house, ONE, OTHER)
    house.push("base2", "network/a.tf", work=False)
    house.work("receive")
    house.dispatch.forecast()
    house.work("forecast")
    assert forecasts(house) == []


def test_a_forecast_gives_way_to_a_run_and_is_made_again(house: House) -> None:
    workspace = opened(house, ONE, OTHER)

    def somebody_plans(_: EngineJob) -> None:
        house.manual_runs.queue_plan(workspace.name, ADMIN, PlanOptions())

    house.engine.during("plan", somebody_plans)
    house.sweep()
    (stopped, made), (run,) = forecasts(house), house.runs(plan_only=False)
    assert (stopped.status.value, made.status.value) == ("canceled", "planned_and_finished")
    assert stopped.status_at <= run.status_at <= made.created_at
    assert run.final
    assert "independent of #2" in house.summary(1)


def test_a_merge_gives_way_to_a_run(house: House) -> None:
    workspace = opened(house, ONE, OTHER)

    def somebody_plans() -> None:
        house.manual_runs.queue_plan(workspace.name, ADMIN, PlanOptions())

    house.merges.moments = [somebody_plans]
    house.services.forecasts.work()
    assert forecasts(house) == []
    assert records(house, workspace) == []
    house.work()
    house.sweep()
    assert "independent of #2" in house.summary(1)


def test_a_run_that_waits_for_a_person_holds_no_forecast_up(house: House) -> None:
    workspace = opened(house, ONE, OTHER)
    house.engine.plans["network"] = plan_json(change("a.branch"))
    for _ in range(2):
        house.manual_runs.queue_plan(workspace.name, ADMIN, PlanOptions())
    house.work()
    assert [run.status.value for run in house.runs(plan_only=False)] == ["planned", "pending"]
    house.sweep()
    assert "independent of #2" in house.summary(1)


def test_each_change_is_planned_with_so_many_others_and_the_oldest_first(
    build: Callable[..., House],
) -> None:
    house = build(limits=replace(Limits(), forecasts=1))
    workspace = network(house)
    for number in range(1, 6):
        finds(house, number, change(f"a.x{number}"))
        house.open_change(number, f"head{number}", "network/a.tf")
    for _ in range(5):
        house.sweep()
    assert [(each.first, each.second) for each in records(house, workspace)] == [(1, 2), (3, 4)]
    assert "independent" not in house.summary(5)


def test_one_forecast_is_planned_after_the_other(house: House) -> None:
    workspace = network(house)
    for number in (1, 2, 3):
        finds(house, number, change(f"a.x{number}"))
        house.open_change(number, f"head{number}", "network/a.tf")
    house.sweep()
    assert [(each.first, each.second, each.result is None) for each in records(house, workspace)] == [
        (1, 2, False), (1, 3, False), (2, 3, False),
    ]  # fmt: skip


@pytest.mark.parametrize("forecast", [True, False])
def test_a_workspace_can_switch_forecasts_off(house: House, forecast: bool) -> None:
    opened(house, ONE, OTHER, merging=replace(MERGES, forecast=forecast))
    house.sweep()
    assert len(forecasts(house)) == forecast


def test_a_limit_of_0_switches_forecasts_off(build: Callable[..., House]) -> None:
    house = build(limits=replace(Limits(), forecasts=0))
    opened(house, ONE, OTHER)
    house.sweep()
    assert forecasts(house) == []


def test_plans_of_heads_have_no_forecast(house: House) -> None:
    house.engine.plans["network"] = plan_json(ONE)
    opened(house, merging=Merging(plan_of=PlanOf.HEAD))
    house.sweep()
    assert forecasts(house) == []


def test_a_plan_without_changes_has_no_forecast(house: House) -> None:
    opened(house)
    finds(house, 2)
    house.engine.plans.pop("network at merge-head2-base1")
    house.say(2, "/plan")
    house.sweep()
    assert forecasts(house) == []


# --- when it is not true any more


def test_a_newer_head_withdraws_a_forecast_and_has_it_made_again(house: House) -> None:
    workspace = opened(house, ONE, OTHER)
    house.sweep()
    finds(house, 3, change("a.third"))
    house.update_change(2, "head3", "network/a.tf")
    assert "independent" not in house.summary(2)
    house.dispatch.report(_id(house, 1))
    house.work()
    assert "independent" not in house.summary(1)
    together(house, 1, 3, ONE, change("a.third"), change("a.y", "delete"))
    house.sweep()
    (record,) = records(house, workspace)
    assert (record.first, record.second) == (1, 2)
    assert "together with #2: destroys a.y" in house.summary(1)


def _id(house: House, number: int) -> str:
    with house.store.reading() as tx:
        record = tx.changes.numbered(REPO, number)
        assert record is not None
        return record.id


def test_a_closed_change_withdraws_a_forecast_from_the_other_comment(house: House) -> None:
    workspace = opened(house, ONE, OTHER)
    house.sweep()
    house.close_change(2)
    house.sweep()
    assert records(house, workspace) == []
    assert "independent" not in house.summary(1)


def test_a_base_that_moves_elsewhere_keeps_a_forecast(house: House) -> None:
    house.engine.places = ("network",)
    opened(house, ONE, OTHER)
    house.sweep()
    house.merges.bases["base2"] = {"other/x.tf": "1"}
    house.push("base2", "elsewhere/a.tf")
    house.sweep()
    assert len(forecasts(house)) == 1
    assert "independent of #2" in house.summary(1)


def test_a_conflict_is_looked_at_again_on_another_base(house: House) -> None:
    house.engine.places = ("network",)
    house.merges.conflicts["head2", "head1"] = ("notes.md",)
    opened(house, ONE, OTHER)
    house.sweep()
    assert "conflicts with #2 in notes.md" in house.summary(1)
    del house.merges.conflicts["head2", "head1"]
    house.merges.bases["base2"] = {"other/x.tf": "1"}
    house.engine.plans["network at merge-head2-head1-base2"] = plan_json(ONE, OTHER)
    house.push("base2", "elsewhere/a.tf")
    house.sweep()
    assert "conflicts" not in house.summary(1)
    assert "independent of #2" in house.summary(1)


def test_an_apply_withdraws_a_forecast(house: House) -> None:
    workspace = opened(house, ONE, OTHER, merging=replace(MERGES, replan_siblings=False))
    house.engine.state_here = True
    house.sweep()
    house.say(1, "/apply")
    house.sweep()
    assert "independent" not in house.summary(1)
    assert [each for each in records(house, workspace) if each.result is None] == []


# --- workspaces that depend on each other


def ordered(house: House, **fields: Any) -> tuple[Workspace, Workspace]:
    """Have one change touch the network, and another one the app that depends on it."""
    network(house)
    app = network(house, "app", depends_on=("network",))
    finds(house, 1, ONE)
    finds(house, 2, OTHER, place="app")
    house.open_change(1, "head1", "network/a.tf", **fields)
    house.open_change(2, "head2", "app/a.tf")
    return house.workspace("other"), app


def test_a_dependent_is_planned_with_the_files_of_what_it_depends_on(house: House) -> None:
    _, app = ordered(house)
    together(house, 1, 2, OTHER, change("db.main", "delete", "create"), place="app")
    house.sweep()
    (run,) = forecasts(house)
    assert run.workspace_id == app.id
    assert "in app: together with #2: replaces db.main" in house.summary(1)
    assert "together with #1: replaces db.main" in house.summary(2)


def test_a_fork_takes_no_part_in_workspaces_in_which_it_has_no_plan(house: House) -> None:
    ordered(house, fork=True)
    house.say(1, "/plan")
    house.sweep()
    assert forecasts(house) == []


# --- hostile code


def test_a_fork_that_nobody_had_planned_takes_no_part(house: House) -> None:
    workspace = network(house)
    finds(house, 1, ONE)
    finds(house, 2, OTHER)
    house.open_change(1, "head1", "network/a.tf")
    house.open_change(2, "head2", "network/a.tf", fork=True)
    house.sweep()
    assert forecasts(house) == []
    house.say(2, "/plan")
    together(house, 1, 2, ONE, OTHER)
    house.sweep()
    assert len(records(house, workspace)) == 1
    assert "independent of #1" in house.summary(2)


def test_a_proposed_workspace_has_no_forecast(house: House) -> None:
    opened(house, ONE, OTHER, discovered=True, proposed=True)
    house.sweep()
    assert forecasts(house) == []


# --- processes die


def test_a_job_that_is_killed_before_the_plan_is_made_up_for(house: House) -> None:
    opened(house, ONE, OTHER)
    house.sweeping.run()
    house.dispatch.lose_everything()
    house.sweep()
    assert "independent of #2" in house.summary(1)


def test_a_worker_that_is_killed_in_the_plan_leaves_one_forecast(house: House) -> None:
    workspace = opened(house, ONE, OTHER)
    house.dispatch.forecast()
    house.work("forecast")
    (run,) = forecasts(house)
    house.killed_while("plan", lambda: house.execution.advance(run.id))
    house.dispatch.lose_everything()
    house.sweep(minutes=5)
    house.sweep()
    assert len(records(house, workspace)) == 1
    assert [each.status.value for each in forecasts(house)] == ["planned_and_finished"]
    assert "independent of #2" in house.summary(1)


def test_a_lost_end_is_compared_later(house: House) -> None:
    workspace = opened(house, ONE, OTHER)
    house.dispatch.forecast()
    house.work("forecast")
    house.work("preview")
    house.dispatch.lose_everything()
    assert [each.result for each in records(house, workspace)] == [None]
    house.sweep()
    assert "independent of #2" in house.summary(1)


def test_two_jobs_at_once_make_one_forecast(house: House) -> None:
    workspace = opened(house, ONE, OTHER)
    house.merges.moments = [house.services.forecasts.work]
    house.services.forecasts.work()
    assert len(forecasts(house)) == len(records(house, workspace)) == 1


def test_a_worker_that_lost_its_lease_starts_nothing(house: House) -> None:
    workspace = opened(house, ONE, OTHER)

    def slow() -> None:
        house.clock.forward(minutes=10)
        house.services.forecasts.work()

    house.merges.moments = [slow]
    house.services.forecasts.work()
    assert len(forecasts(house)) == len(records(house, workspace)) == 1


def test_one_open_change_costs_no_query_of_runs(house: House) -> None:
    network(house)
    finds(house, 1, ONE)
    house.open_change(1, "head1", "network/a.tf")
    with house.store.reading() as tx:
        assert tx.forecasts.repos() == frozenset()
    house.sweep()
    assert forecasts(house) == []
