"""The list of workspaces: which run each is shown with, what stands, what is narrowed, in which order."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

from bot.domain.events import RepoRef
from bot.domain.runs.lifecycle import RunStatus
from bot.domain.runs.run import Run, RunSource
from bot.domain.workspaces.workspace import Lock, Workspace
from bot.services.ports import Overview, OverviewFilter, OverviewQuery
from bot.store import SqlStore
from tests.store.samples import AT, add, put, run, workspace

A, B, C = "a" * 40, "b" * 40, "c" * 40


def made(store: SqlStore, place: Workspace, status: RunStatus, commit: str = A, **about: Any) -> Run:
    about = {"plan_only": False, "source": RunSource.PUSH, "has_changes": True, **about}
    return add(store, replace(run(place), status=status, commit=commit, **about))


def listed(store: SqlStore, **query: Any) -> list[str]:
    with store.reading() as unit:
        return [each.workspace.name for each in unit.overviews.page(OverviewQuery(**query))]


def one(store: SqlStore, place: Workspace) -> Overview:
    with store.reading() as unit:
        found = unit.overviews.of(place)
        listed = [each for each in unit.overviews.page(OverviewQuery()) if each.workspace.id == place.id]
    assert listed == [found]
    return found


def test_a_workspace_is_shown_with_what_is_in_progress_else_with_the_latest(store: SqlStore) -> None:
    place = put(store)
    assert one(store, place).run is None
    preview = made(store, place, RunStatus.PLANNED_AND_FINISHED, plan_only=True, source=RunSource.CHANGE)
    assert one(store, place).run == preview
    done = made(store, place, RunStatus.APPLIED)
    made(store, place, RunStatus.PLANNED_AND_FINISHED, plan_only=True, source=RunSource.CHANGE)
    assert one(store, place).run == done
    waits = made(store, place, RunStatus.PENDING, B)
    assert one(store, place).run == waits
    holder = made(store, place, RunStatus.PLANNED, C)
    assert one(store, place).run == holder


def test_commits_after_the_one_that_stands_are_counted_once_each(store: SqlStore) -> None:
    place = put(store)
    made(store, place, RunStatus.ERRORED, A)
    assert one(store, place).in_effect is None
    assert one(store, place).behind == 0
    applied = made(store, place, RunStatus.APPLIED, B)
    assert (one(store, place).in_effect, one(store, place).applied) == (applied, applied)
    made(store, place, RunStatus.DISCARDED, C)
    made(store, place, RunStatus.PLANNED, C, source=RunSource.MANUAL)
    made(store, place, RunStatus.ERRORED, A, source=RunSource.RETRY)
    made(store, place, RunStatus.ERRORED, "d" * 40, source=RunSource.CHANGE, plan_only=True)
    assert one(store, place).behind == 1


def test_a_plan_without_changes_says_that_its_commit_stands(store: SqlStore) -> None:
    place = put(store)
    applied = made(store, place, RunStatus.APPLIED, A)
    made(store, place, RunStatus.DISCARDED, B)
    nothing = made(store, place, RunStatus.PLANNED_AND_FINISHED, C, has_changes=False)
    found = one(store, place)
    assert (found.applied, found.in_effect, found.behind) == (applied, nothing, 0)


def test_the_list_is_narrowed_and_counted_by_what_is_shown(store: SqlStore) -> None:
    for name, status in {
        "asks": RunStatus.PLANNED,
        "overrides": RunStatus.POLICY_OVERRIDE,
        "failed": RunStatus.ERRORED,
        "works": RunStatus.APPLYING,
        "went well": RunStatus.APPLIED,
    }.items():
        made(store, put(store, workspace(name)), status)
    held = put(store, workspace("held"))
    gone = put(store, replace(workspace("gone"), active=False))
    made(store, gone, RunStatus.ERRORED)
    with store.transaction() as unit:
        unit.workspaces.set_lock(held.id, Lock("ana", "", AT))
    expected = {
        OverviewFilter.ALL: ["asks", "failed", "held", "overrides", "went well", "works"],
        OverviewFilter.ATTENTION: ["asks", "failed", "overrides"],
        OverviewFilter.ERRORED: ["failed"],
        OverviewFilter.RUNNING: ["works"],
        OverviewFilter.HOLD: ["held"],
        OverviewFilter.APPLIED: ["went well"],
    }
    assert {show: listed(store, show=show) for show in OverviewFilter} == expected
    with store.reading() as unit:
        counted = unit.overviews.counts(OverviewQuery(show=OverviewFilter.ERRORED))
        assert counted == {show: len(names) for show, names in expected.items()}
        assert set(unit.overviews.counts(OverviewQuery(search="nothing")).values()) == {0}


def test_the_list_is_searched_by_every_word_and_wildcards_are_letters(store: SqlStore) -> None:
    put(store, replace(workspace("network-prod"), repo=RepoRef("hub", "acme/infra"), branch="main"))
    put(store, replace(workspace("network-staging"), repo=RepoRef("hub", "acme/infra"), branch="staging"))
    put(store, replace(workspace("dns"), repo=RepoRef("lab", "acme/dns_zone"), working_directory="live"))
    assert listed(store, search="NETWORK") == ["network-prod", "network-staging"]
    assert listed(store, search="acme staging") == ["network-staging"]
    assert listed(store, search="s_z live") == ["dns"]
    assert listed(store, search="%") == []
    assert listed(store, repos=(RepoRef("lab", "acme/dns_zone"), RepoRef("hub", "other"))) == ["dns"]
    assert listed(store, repos=()) == []


def test_the_list_is_sorted_alike_on_every_database_and_read_in_parts(store: SqlStore) -> None:
    names = ["B", "a", "a-b", "a_b", "ab"]
    for hours, name in enumerate(reversed(names)):
        at = AT + timedelta(hours=hours)
        made(store, put(store, workspace(name)), RunStatus.APPLIED, status_at=at)
    put(store, workspace("zero"))
    assert listed(store) == [*names, "zero"] == sorted([*names, "zero"])
    assert listed(store, latest_first=True) == [*names, "zero"]
    assert listed(store, limit=2, offset=2) == ["a-b", "a_b"]
    assert listed(store, limit=2, offset=9) == []
