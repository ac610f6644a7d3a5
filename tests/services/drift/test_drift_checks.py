"""Drift is looked for in idle time, told once, and ends by itself."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from bot.domain.errors import EngineError, Forbidden, IllegalMove
from bot.domain.notifications.destinations import CHOSEN, Destination, DestinationKind
from bot.domain.people.audit import AuditAction
from bot.domain.plans.modes import Modes
from bot.domain.runs.lifecycle import RunStatus
from bot.domain.runs.run import Run, RunSource
from bot.domain.workspaces.drift import DriftIgnore, DriftSettings
from bot.domain.workspaces.workspace import Workspace
from bot.services.drift.checks import DriftChecks
from bot.services.ports import AuditQuery, DriftCheck, DriftRecord, Limits
from bot.services.runs.queue_plan import PlanOptions
from bot.services.runs.transitions import Transitions
from tests.fakes.dispatch import FakeDispatch
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


def all_lasting(house: House) -> Sequence[DriftRecord]:
    with house.store.reading() as tx:
        return tx.drifts.all_lasting()


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


def test_a_check_waits_until_no_other_run_does(house: House) -> None:
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
    house.sweep()
    assert [run.status for run in checks(house)] == [RunStatus.PLANNED_AND_FINISHED]


def test_a_check_stops_as_soon_as_another_run_waits_and_is_made_again_after_it(house: House) -> None:
    workspace = applied(house)
    house.workspace("other")
    drifts_to(house, TAGS)
    house.engine.during("plan", lambda _: opens_change(house))
    house.sweep(hours=1)
    first, second = checks(house)
    (other,) = house.runs(change_number=1)
    assert (first.status, other.status) == (RunStatus.CANCELED, RunStatus.PLANNED_AND_FINISHED)
    assert second.status is RunStatus.PLANNED_AND_FINISHED
    assert house.engine.count("plan", first.id) == house.engine.count("plan", second.id) == 1
    begun = [run_id for stage, run_id in house.engine.done if stage == "plan"]
    assert begun[-3:] == [first.id, other.id, second.id]
    found = lasting(house, workspace)
    assert found is not None
    assert found.run_id == second.id


def opens_change(house: House) -> None:
    """Have somebody open a change while a worker is busy: another one receives it."""
    delivery_id = house.open_change(1, "head1", "other/main.tf", work=False)
    house.intake.handle(delivery_id)


def test_two_workers_that_look_at_the_same_time_make_one_check(build: Build) -> None:
    house = build(limits=Limits(drift_checks=9))
    for name in ("one", "two"):
        applied(house, name)
        drifts_to(house, TAGS, name=name)
    house.clock.forward(hours=1)
    for _ in range(2):
        at_once(house.services.drift_checks.work, house.services.drift_checks.work)
        house.work("plan", "preview", "report", "notify")
    assert sorted(run.workspace_id for run in checks(house)) == sorted(
        each.workspace_id for each in all_lasting(house)
    )
    assert len(checks(house)) == 2
    assert deeds(house) == [AuditAction.DRIFTED, AuditAction.DRIFTED]


def at_once(*work: Callable[[], None]) -> None:
    """Have each worker begin at the same moment, in a thread of its own; raise what one raises."""
    barrier = threading.Barrier(len(work))

    def begin(do: Callable[[], None]) -> None:
        barrier.wait()
        do()

    with ThreadPoolExecutor(len(work)) as pool:
        for each in [pool.submit(begin, do) for do in work]:
            each.result()


def test_a_worker_that_lost_its_lease_starts_nothing_more(build: Build) -> None:
    """The first worker stands still after its first check; a second one takes over and makes the other."""
    house = build(limits=Limits(drift_checks=9))
    for name in ("one", "two"):
        applied(house, name)
    house.clock.forward(hours=1)
    slow = StandsStill(house)
    transitions = Transitions(house.store, house.clock, slow, ())
    DriftChecks(house.store, house.clock, slow, transitions, house.limits).work()
    assert slow.stood
    assert len(checks(house)) == 2
    assert len({run.workspace_id for run in checks(house)}) == 2


class StandsStill(FakeDispatch):
    """A dispatch whose first caller stands still for so long that another worker takes its lease."""

    def __init__(self, house: House) -> None:
        super().__init__()
        self.stood = False
        self._house = house

    def advance(self, run: Run, *, swept: bool = False) -> None:
        self._house.dispatch.advance(run, swept=swept)
        if not self.stood:
            self.stood = True
            self._house.clock.forward(minutes=10)
            self._house.services.drift_checks.work()


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


def switched_off(house: House, workspace: Workspace) -> None:
    with house.store.transaction() as tx:
        tx.workspaces.put(replace(tx.workspaces.get(workspace.id), drift=DriftSettings()))


def test_switching_checks_off_ends_the_drift(house: House) -> None:
    workspace = applied(house)
    drifts_to(house, TAGS)
    house.sweep(hours=1)
    switched_off(house, workspace)
    house.sweep()
    assert lasting(house, workspace) is None
    with house.store.reading() as tx:
        (ended,) = tx.drifts.history(workspace.id, 10)
    assert ended.ended_by == "drift checks were switched off"
    assert deeds(house) == [AuditAction.DRIFT_RESOLVED, AuditAction.DRIFTED]
    house.sweep(hours=2)
    assert len(checks(house)) == 1


def test_a_check_that_waits_or_runs_when_checks_are_switched_off_finds_nothing(house: House) -> None:
    workspace, other = applied(house), applied(house, "other")
    drifts_to(house, TAGS)
    drifts_to(house, TAGS, name="other")
    house.clock.forward(hours=1)
    house.engine.during("plan", lambda _: switched_off(house, workspace))
    house.services.drift_checks.work()
    house.work("plan", "preview")
    switched_off(house, other)
    for _ in range(2):
        house.sweep()
    assert all_lasting(house) == []
    assert not check_of(house, workspace).wanted
    assert not check_of(house, other).wanted


def test_a_drift_that_a_person_asked_for_lasts_without_a_schedule(house: House) -> None:
    workspace = applied(house)
    house.sweep(hours=1)
    switched_off(house, workspace)
    drifts_to(house, TAGS)
    house.services.drift_checks.ask("network", WRITER)
    for _ in range(3):
        house.sweep()
    found = lasting(house, workspace)
    assert found is not None
    drifts_to(house)
    house.services.drift_checks.ask("network", WRITER)
    house.sweep()
    assert lasting(house, workspace) is None


def test_a_schedule_after_a_check_on_request_counts_from_then_on(house: House) -> None:
    workspace = applied(house, drift=DriftSettings())
    house.services.drift_checks.ask("network", WRITER)
    house.work()
    with house.store.transaction() as tx:
        tx.workspaces.put(replace(tx.workspaces.get(workspace.id), drift=HOURLY))
    house.sweep()
    assert len(checks(house)) == 1
    house.sweep(hours=1)
    assert len(checks(house)) == 2


def test_the_end_of_a_drift_is_told_to_those_who_want_it(build: Build) -> None:
    ends = Destination("ends", DestinationKind.WEBHOOK, CHOSEN, gather=timedelta())
    usual = Destination("usual", DestinationKind.WEBHOOK, gather=timedelta())
    house = build(destinations=[ends, usual])
    workspace = applied(house)
    house.messengers.sent.clear()
    drifts_to(house, TAGS)
    house.sweep(hours=1)
    drifts_to(house)
    house.sweep(hours=1)
    assert lasting(house, workspace) is None
    _, last = checks(house)
    assert [(name, line.words, line.run_id) for name, m in house.messengers.sent for line in m.lines] == [
        ("ends", "drifted: 1 resource", checks(house)[0].id),
        ("usual", "drifted: 1 resource", checks(house)[0].id),
        ("ends", f"drift resolved: {last.id} found none", last.id),
    ]
