"""Drift is looked for in idle time, told once, and ends by itself."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from bot.domain.errors import EngineError, Forbidden, IllegalMove
from bot.domain.notifications.destinations import Destination, DestinationKind
from bot.domain.people.audit import AuditAction
from bot.domain.plans.modes import Modes
from bot.domain.runs.lifecycle import RunStatus
from bot.domain.runs.run import Run, RunSource
from bot.domain.workspaces.drift import DriftIgnore, DriftSettings
from bot.domain.workspaces.workspace import Workspace
from bot.services.ports import AuditQuery, DriftCheck, DriftRecord, Limits
from bot.services.runs.queue_plan import PlanOptions
from tests.fakes.engine import change
from tests.fakes.house import READER, WRITER, House

Build = Callable[..., House]
HOURLY = DriftSettings(every=timedelta(hours=1))
TAGS = change("web.one", "update", before={"tags": "a", "size": 1}, after={"tags": "b", "size": 1})


def applied(house: House, name: str = "network", **fields: Any) -> Workspace:
    """Have a workspace with a commit in effect, that is checked each hour."""
    workspace = house.workspace(name, **{"drift": HOURLY, "auto_apply": True, **fields})
    house.engine.will_find(name, change("web.one"))
    house.push(f"c-{name}", f"{name}/main.tf")
    house.sweep()
    return workspace


def drifts_to(house: House, *changes: Any, name: str = "network", outside: tuple[Any, ...] = ()) -> None:
    house.engine.will_find(name, *changes, resource_drift=list(outside))


def checks(house: House) -> list[Run]:
    return [run for run in house.runs() if run.source is RunSource.DRIFT]


def lasting(house: House, workspace: Workspace) -> DriftRecord | None:
    with house.store.reading() as tx:
        return tx.drifts.lasting(workspace.id)


def check_of(house: House, workspace: Workspace) -> DriftCheck:
    with house.store.reading() as tx:
        found = tx.drift_checks.get(workspace.id)
    assert found is not None
    return found


def deeds(house: House) -> list[AuditAction]:
    with house.store.reading() as tx:
        entries = tx.audit.find(AuditQuery())
    return [each.deed for each in entries if each.deed in (AuditAction.DRIFTED, AuditAction.DRIFT_RESOLVED)]


def test_a_check_is_a_plan_of_what_was_applied_last_and_not_of_newer_commits(house: House) -> None:
    workspace = applied(house)
    house.engine.will_find("network at newer", change("web.new"))
    with house.store.transaction() as tx:
        tx.workspaces.put(Workspace(**{**vars(workspace), "auto_apply": False}))
    house.push("newer", "network/main.tf")
    house.sweep(hours=1)
    (run,) = checks(house)
    assert (run.commit, run.plan_only, run.change_number) == ("c-network", True, None)
    assert not run.reported
    assert lasting(house, workspace) is None
    assert check_of(house, workspace).checked_at is not None


def test_nothing_is_checked_before_the_first_time_or_without_settings(house: House) -> None:
    applied(house)
    applied(house, "other", drift=DriftSettings())
    assert checks(house) == []
    house.sweep(hours=1)
    assert len(checks(house)) == 1


def test_times_that_were_missed_are_caught_up_once(house: House) -> None:
    applied(house)
    house.sweep(hours=9)
    house.sweep()
    assert len(checks(house)) == 1
    house.sweep(hours=1)
    assert len(checks(house)) == 2


def test_drift_is_found_told_once_and_ends_when_a_check_finds_none(build: Build) -> None:
    told = Destination("chat", DestinationKind.WEBHOOK, gather=timedelta())
    house = build(destinations=[told])
    workspace = applied(house)
    drifts_to(house, TAGS, outside=(TAGS,))
    house.sweep(hours=1)
    found = lasting(house, workspace)
    assert found is not None
    (resource,) = found.resources
    assert resource.words == "changed outside of Terraform: tags; an apply would update it"
    assert ["drifted" in str(message) for _, message in house.messengers.sent] == [True]
    house.sweep(hours=1)
    again = lasting(house, workspace)
    assert again is not None
    assert (again.id, again.began_at) == (found.id, found.began_at)
    assert again.seen_at > found.seen_at
    assert len(house.messengers.sent) == 1
    drifts_to(house)
    house.sweep(hours=1)
    assert lasting(house, workspace) is None
    with house.store.reading() as tx:
        (ended,) = tx.drifts.history(workspace.id, 10)
    assert ended.ended_by == f"{checks(house)[-1].id} found none"
    assert deeds(house) == [AuditAction.DRIFT_RESOLVED, AuditAction.DRIFTED]


def test_an_apply_of_the_configuration_ends_it_without_a_check(house: House) -> None:
    workspace = applied(house)
    drifts_to(house, TAGS)
    house.sweep(hours=1)
    assert lasting(house, workspace) is not None
    run = house.manual_runs.queue_plan("network", WRITER, PlanOptions())
    house.work()
    assert house.run(run.id).status is RunStatus.APPLIED
    house.sweep()
    assert lasting(house, workspace) is None
    assert len(checks(house)) == 1


def test_after_a_refresh_only_apply_it_is_checked_again_at_once(house: House) -> None:
    workspace = applied(house)
    drifts_to(house, TAGS)
    house.sweep(hours=1)
    house.manual_runs.queue_plan("network", WRITER, PlanOptions(Modes(refresh_only=True)))
    house.work()
    drifts_to(house)
    house.sweep()
    house.sweep()
    assert lasting(house, workspace) is None
    assert len(checks(house)) == 2


def test_a_check_waits_until_no_other_run_does_and_gives_way_to_one(house: House) -> None:
    workspace = applied(house)
    house.workspace("other")
    house.open_change(1, "head1", "other/main.tf", work=False)
    house.work("receive")
    house.clock.forward(hours=1)
    house.sweeping.run()
    house.work("check_drift")
    assert checks(house) == []
    assert check_of(house, workspace).wanted
    house.work()
    house.engine.during("plan", lambda _: house.open_change(2, "head2", "other/main.tf", work=False))
    house.engine.during("plan", lambda _: None)
    house.sweep()
    house.sweep()
    first, *others = checks(house)
    assert first.status in (RunStatus.CANCELED, RunStatus.PLANNED_AND_FINISHED)
    assert [run.status for run in others] in ([], [RunStatus.PLANNED_AND_FINISHED])
    assert check_of(house, workspace).checked_at is not None


def test_only_so_many_checks_are_under_way_at_once(build: Build) -> None:
    house = build(limits=Limits(drift_checks=1))
    for name in ("one", "two"):
        applied(house, name)
    house.clock.forward(hours=1)
    house.sweeping.run()
    house.work("check_drift")
    assert len(checks(house)) == 1
    house.work()
    house.sweep()
    assert len(checks(house)) == 2


def test_a_limit_of_0_makes_no_checks_and_says_so_to_people_who_ask(build: Build) -> None:
    house = build(limits=Limits(drift_checks=0))
    applied(house)
    house.sweep(hours=2)
    assert checks(house) == []
    with pytest.raises(IllegalMove, match="PLANGATE_DRIFT_CHECKS is 0"):
        house.services.drift_checks.ask("network", WRITER)


def test_people_who_may_plan_can_have_it_checked_now(house: House) -> None:
    applied(house, drift=DriftSettings())
    house.services.drift_checks.ask("network", WRITER)
    house.work()
    assert len(checks(house)) == 1
    with pytest.raises(Forbidden):
        house.services.drift_checks.ask("network", READER)


def test_a_failed_check_says_why_and_ends_no_drift(house: House) -> None:
    workspace = applied(house)
    drifts_to(house, TAGS)
    house.sweep(hours=1)
    house.engine.fail("plan", EngineError("terraform plan failed"), "\nError: No credentials\n\n")
    house.sweep(hours=1)
    assert check_of(house, workspace).error == "No credentials"
    assert lasting(house, workspace) is not None


def test_after_a_failed_apply_nothing_is_checked(house: House) -> None:
    workspace = applied(house)
    house.engine.will_find("network", change("web.two"))
    house.engine.fail("apply", EngineError("it broke"))
    house.push("c2", "network/main.tf")
    house.sweep(hours=1)
    house.sweep()
    assert checks(house) == []
    assert "did not succeed" in check_of(house, workspace).error


def test_what_the_rules_ignore_is_no_drift(house: House) -> None:
    rules = (DriftIgnore("web.*", ("ta?s",)), DriftIgnore('noise["a*"]'))
    workspace = applied(house, drift=DriftSettings(every=timedelta(hours=1), ignore=rules))
    drifts_to(house, TAGS, change('noise["a1"]', "delete"))
    house.sweep(hours=1)
    assert lasting(house, workspace) is None
    drifts_to(house, TAGS, change('noise["b"]', "delete"))
    house.sweep(hours=1)
    found = lasting(house, workspace)
    assert found is not None
    assert [each.address for each in found.resources] == ['noise["b"]']


def test_a_lost_worker_loses_no_check_and_makes_none_twice(house: House) -> None:
    workspace = applied(house)
    drifts_to(house, TAGS)
    house.clock.forward(hours=1)
    house.killed_while("plan", house.sweep)
    house.dispatch.lose_everything()
    house.sweep(minutes=3)
    house.sweep()
    assert lasting(house, workspace) is not None
    assert len(checks(house)) == 1
