"""Figures over the runs of many workspaces, on both databases."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta, timezone

from bot.domain.events import RepoRef
from bot.domain.runs.lifecycle import RunStatus, StageStatus
from bot.domain.runs.run import RunEvent
from bot.domain.workspaces.workspace import Workspace
from bot.services.ports import DayOfRuns, OverviewQuery
from bot.store import SqlStore
from tests.store.samples import add, put, run, workspace

OTHER = RepoRef("gitlab", "acme/other")
MIDNIGHT = datetime(2026, 11, 24, tzinfo=UTC)


def made(store: SqlStore, place: Workspace, at: datetime, status: RunStatus) -> str:
    found = replace(run(place), created_at=at, status=status, plan_status=StageStatus.FINISHED)
    return add(store, found).id


def test_runs_are_counted_by_their_day_in_utc_and_by_how_they_ended(store: SqlStore) -> None:
    network, other = put(store), put(store, workspace("app-prod", repo=OTHER))
    second = timedelta(seconds=1)
    # Still the 23rd in UTC, though not on every clock.
    made(store, network, (MIDNIGHT - second).astimezone(timezone(timedelta(hours=9))), RunStatus.APPLIED)
    made(store, network, MIDNIGHT, RunStatus.APPLIED)
    made(store, network, MIDNIGHT + second, RunStatus.ERRORED)
    made(store, network, MIDNIGHT + second, RunStatus.POLICY_SOFT_FAILED)
    made(store, other, MIDNIGHT + second, RunStatus.DISCARDED)
    with store.reading() as unit:
        everything = unit.run_figures.days(MIDNIGHT - timedelta(days=1), None)
        mine = unit.run_figures.days(MIDNIGHT, [network.repo])
        nobodys = unit.run_figures.days(MIDNIGHT, [])
    assert everything == [
        DayOfRuns(date(2026, 11, 23), applied=1),
        DayOfRuns(date(2026, 11, 24), applied=1, errored=2, other=1),
    ]
    assert mine == [DayOfRuns(date(2026, 11, 24), applied=1, errored=2)]
    assert nobodys == []


def test_timelines_are_those_of_the_newest_runs_with_a_plan_and_hold_only_statuses(store: SqlStore) -> None:
    network, other = put(store), put(store, workspace("app-prod", repo=OTHER))
    ids = [
        made(store, place, MIDNIGHT + timedelta(minutes=number), RunStatus.APPLIED)
        for number, place in enumerate((network, network, other))
    ]
    add(store, replace(run(network), created_at=MIDNIGHT + timedelta(hours=1)))
    with store.transaction() as unit:
        for run_id in ids:
            for number, kind in enumerate(("planning", "comment", "planned")):
                unit.runs.note(RunEvent(run_id, MIDNIGHT + timedelta(seconds=number), kind, "ana", "hello"))
    with store.reading() as unit:
        newest = unit.run_figures.timelines(MIDNIGHT, None, 2)
        mine = unit.run_figures.timelines(MIDNIGHT, [network.repo], 5)
    assert [workspace_id for workspace_id, _ in newest] == [other.id, network.id]
    assert [events[0].run_id for _, events in mine] == [ids[1], ids[0]]
    assert [event.kind for event in mine[0][1]][-2:] == ["planning", "planned"]
    assert "comment" not in {event.kind for _, events in newest for event in events}


def test_the_run_that_the_list_shows_is_found_for_all_workspaces_at_once(store: SqlStore) -> None:
    network, other = put(store), put(store, workspace("app-prod", repo=OTHER))
    put(store, workspace("empty"))
    for place in (network, other):
        made(store, place, MIDNIGHT, RunStatus.ERRORED)
    shown = {place.id: made(store, place, MIDNIGHT, RunStatus.APPLIED) for place in (network, other)}
    with store.reading() as unit:
        everything = unit.overviews.runs(OverviewQuery(limit=1))
        mine = unit.overviews.runs(OverviewQuery(repos=(network.repo,)))
    assert {key: each.id for key, each in everything.items()} == shown
    assert list(mine) == [network.id]
