"""Runs, their queue and their timeline, kept; and the promises that the database itself keeps of them."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC

import pytest
from hypothesis import HealthCheck, given, settings

from bot.domain.errors import Conflict, NotFound
from bot.domain.events import RepoRef
from bot.domain.ids import new_id
from bot.domain.runs import lifecycle
from bot.domain.runs.lifecycle import RunStatus
from bot.domain.runs.run import Run, RunEvent, RunSource
from bot.services.ports import RunQuery
from bot.store import SqlStore
from tests.store.samples import AT, MINUTE, REPO, add, event, every, put, run, workspace

HOLDING = sorted(lifecycle.HOLDS_WORKSPACE)


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(every(Run), every(Run))
def test_every_field_comes_back(store: SqlStore, one: Run, later: Run) -> None:
    place = put(store, workspace(new_id("name")))
    one = replace(one, id=new_id("run"), workspace_id=place.id)
    added = add(store, one)
    assert added == replace(one, sequence=1)
    fixed = ("id", "workspace_id", "source", "save_plan", "commit", "created_by", "created_at")
    changed = replace(later, sequence=1, version=added.version, **{f: getattr(one, f) for f in fixed})
    with store.transaction() as unit:
        assert unit.runs.get(one.id) == added
        saved = unit.runs.save(changed)
        assert saved == replace(changed, version=added.version + 1)
    with store.reading() as unit:
        assert unit.runs.get(one.id) == saved
        assert unit.runs.get(one.id).created_at.tzinfo is UTC


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(every(RunEvent))
def test_every_field_of_an_event_comes_back(store: SqlStore, line: RunEvent) -> None:
    one = add(store, run(put(store)))
    line = replace(line, run_id=one.id)
    with store.transaction() as unit:
        unit.runs.note(line)
    with store.reading() as unit:
        assert unit.runs.timeline(one.id) == [event(one), line]


def test_sequences_count_by_workspace(store: SqlStore) -> None:
    first, second = put(store), put(store, workspace("storage"))
    assert [add(store, run(place)).sequence for place in (first, first, second, first)] == [1, 2, 1, 3]


def test_configuring_a_workspace_again_does_not_restart_its_sequence(store: SqlStore) -> None:
    place = put(store)
    add(store, run(place))
    put(store, workspace(auto_apply=True))
    assert add(store, run(place)).sequence == 2


def test_save_moves_the_version_and_refuses_an_old_one(store: SqlStore) -> None:
    one = add(store, run(put(store)))
    with store.transaction() as unit:
        moved = unit.runs.save(one.move(RunStatus.FETCHING, AT + MINUTE), event(one, "fetching"))
    assert moved.version == one.version + 1
    with store.transaction() as unit:
        with pytest.raises(Conflict, match="fetching now"):
            unit.runs.save(one.move(RunStatus.CANCELED, AT), event(one, "canceled"))
        # The transaction goes on, and nothing of the refused move is there.
        assert unit.runs.get(one.id) == moved
        assert [line.kind for line in unit.runs.timeline(one.id)] == ["pending", "fetching"]


def test_what_is_not_there_is_not_found(store: SqlStore) -> None:
    stray = run(workspace())
    with store.transaction() as unit:
        with pytest.raises(NotFound, match=stray.id):
            unit.runs.get(stray.id)
        with pytest.raises(NotFound, match=stray.id):
            unit.runs.save(stray)
        with pytest.raises(NotFound, match=stray.workspace_id):
            unit.runs.add(stray, event(stray))
        assert unit.runs.timeline(stray.id) == []
    with pytest.raises(NotFound), store.transaction() as unit:
        unit.runs.note(event(stray))


@pytest.mark.parametrize("status", HOLDING)
def test_one_run_at_most_holds_a_workspace(store: SqlStore, status: RunStatus) -> None:
    place = put(store)
    add(store, run(place, status=RunStatus.PLANNED))
    second = add(store, run(place))
    with store.transaction() as unit:
        with pytest.raises(Conflict, match="another run holds this workspace"):
            unit.runs.save(replace(second, status=status), event(second))
        assert unit.runs.get(second.id) == second
        with pytest.raises(Conflict, match="another run holds this workspace"):
            late = run(place, status=status)
            unit.runs.add(late, event(late))
        assert len(unit.runs.queue(place.id)) == 2


@pytest.mark.parametrize("status", sorted(lifecycle.FINAL | {RunStatus.PENDING}))
def test_a_run_that_waits_or_is_final_holds_nothing(store: SqlStore, status: RunStatus) -> None:
    place = put(store)
    add(store, run(place, status=status))
    assert add(store, run(place, status=RunStatus.APPLYING)).sequence == 2


@pytest.mark.parametrize("status", HOLDING)
def test_previews_and_other_workspaces_hold_nothing(store: SqlStore, status: RunStatus) -> None:
    place = put(store)
    add(store, run(place, status=status, plan_only=True))
    add(store, run(place, status=status, plan_only=True))
    add(store, run(put(store, workspace("storage")), status=status))
    assert add(store, run(place, status=status)).sequence == 3


def test_a_pushed_commit_makes_one_run_in_a_workspace(store: SqlStore) -> None:
    place, other = put(store), put(store, workspace("storage"))
    pushed = add(store, run(place, source=RunSource.PUSH, status=RunStatus.APPLIED))
    with store.transaction() as unit:
        again = run(place, source=RunSource.PUSH)
        with pytest.raises(Conflict, match="this commit already has a run"):
            unit.runs.add(again, event(again))
        # The transaction goes on: the next workspace gets its run, and the sequence has no gap.
        elsewhere = run(other, source=RunSource.PUSH)
        assert unit.runs.add(elsewhere, event(elsewhere)).sequence == 1
        by_hand = run(place, source=RunSource.RETRY)
        assert unit.runs.add(by_hand, event(by_hand)).sequence == pushed.sequence + 1
    with store.reading() as unit:
        assert len(unit.runs.find(RunQuery(commit=pushed.commit))) == 3


def test_many_runs_are_added_at_once_or_none_of_them(store: SqlStore) -> None:
    places = [put(store, workspace(f"place-{number}")) for number in range(3)]
    first = add(store, run(places[1], source=RunSource.PUSH))
    with store.transaction() as unit:
        twins = [run(place, source=RunSource.PUSH) for place in places]
        with pytest.raises(Conflict, match="this commit already has a run"):
            unit.runs.add_all([(each, event(each)) for each in twins])
        with pytest.raises(NotFound):
            unit.runs.add_all([(stray := run(replace(places[0], id="ws-none")), event(stray))])
        again = [run(place, source=RunSource.RETRY, after=(first.id,)) for place in (places[2], places[1])]
        added = unit.runs.add_all([(each, event(each)) for each in again])
        assert added == [replace(again[0], sequence=1), replace(again[1], sequence=2)]
    with store.reading() as unit:
        assert not unit.runs.queue(places[0].id)
        assert [each.message for each in unit.runs.timeline(added[0].id)] == [event(added[0]).message]
        assert set(unit.waiting_runs.workspaces_after(first)) == {places[1].id, places[2].id}
        assert unit.waiting_runs.awaited([place.id for place in places]) == {places[1].id}


def test_the_queue_is_first_in_first_out_behind_the_holder(store: SqlStore) -> None:
    place, other = put(store), put(store, workspace("storage"))
    add(store, run(place, status=RunStatus.APPLIED))
    first, second, third = (add(store, run(place, created_at=AT - n * MINUTE)) for n in range(3))
    add(store, run(place, plan_only=True))
    add(store, run(other))
    with store.transaction() as unit:
        assert unit.runs.queue(place.id) == [first, second, third]
        # It can't happen by the rules, but were a later one to hold, it would still be told first.
        holder = unit.runs.save(third.move(RunStatus.FETCHING, AT))
        assert unit.runs.queue(place.id) == [holder, first, second]
        unit.runs.save(replace(holder, status=RunStatus.ERRORED))
        assert unit.runs.queue(place.id) == [first, second]


def test_find_by_each_part_and_by_all(store: SqlStore) -> None:
    near, far = put(store), put(store, workspace("far", repo=RepoRef("gitlab", REPO.path)))
    fields = {"commit": "abc", "change_number": 7, "plan_only": True, "status": RunStatus.PLANNING}
    wanted = add(store, run(near, **fields))
    for name, other in {
        "commit": "abd",
        "change_number": None,
        "plan_only": False,
        "status": RunStatus.ERRORED,
    }.items():
        add(store, run(near, **{**fields, name: other}))
    elsewhere = add(store, run(far, **fields))
    everything = RunQuery(near.id, REPO, "abc", 7, True, frozenset({RunStatus.PLANNING}))
    with store.reading() as unit:
        assert unit.runs.find(everything) == [wanted]
        assert unit.runs.find(RunQuery(repo=far.repo)) == [elsewhere]
        assert unit.runs.find(RunQuery(workspace_id=far.id)) == [elsewhere]
        assert len(unit.runs.find(RunQuery())) == 6
        assert len(unit.runs.find(RunQuery(repo=REPO))) == 5
        assert len(unit.runs.find(RunQuery(commit="abc"))) == 5
        assert len(unit.runs.find(RunQuery(change_number=7))) == 5
        assert len(unit.runs.find(RunQuery(plan_only=False))) == 1
        assert len(unit.runs.find(RunQuery(statuses=frozenset({"errored"})))) == 1
        assert len(unit.runs.find(RunQuery(statuses=lifecycle.WORKING))) == 5
        assert len(unit.runs.find(RunQuery(statuses=lifecycle.FINAL | lifecycle.WORKING))) == 6
        assert unit.runs.find(RunQuery(statuses=frozenset())) == []


def test_find_is_newest_first_and_pages(store: SqlStore) -> None:
    place = put(store)
    runs = [add(store, run(place, created_at=AT + n // 2 * MINUTE)) for n in range(5)]
    with store.reading() as unit:
        assert unit.runs.find(RunQuery()) == runs[::-1]
        assert unit.runs.find(RunQuery(limit=2, offset=1)) == [runs[3], runs[2]]


def test_text_that_no_database_keeps_is_kept_as_far_as_it_goes(store: SqlStore) -> None:
    one = add(store, run(put(store), message="a\x00b\ud800c"))
    with store.reading() as unit:
        assert unit.runs.get(one.id).message == "a\ufffdb\ufffdc"


def test_a_time_without_a_zone_is_refused(store: SqlStore) -> None:
    one = run(put(store), created_at=AT.replace(tzinfo=None))
    with pytest.raises(Exception, match="without a zone"):
        add(store, one)


def test_runs_are_counted_and_the_latest_and_all_events_are_found_at_once(store: SqlStore) -> None:
    first, second, empty = (put(store, workspace(name)) for name in ("a", "b", "c"))
    runs = [add(store, run(first, id=f"run-{number}")) for number in range(3)]
    preview = add(store, run(first, plan_only=True))
    other = add(store, run(second))
    with store.transaction() as unit:
        unit.runs.note(event(runs[0], "planning"))
    with store.reading() as unit:
        assert unit.runs.count(RunQuery(workspace_id=first.id, limit=1, offset=2)) == 4
        assert unit.runs.count(RunQuery(repo=first.repo, plan_only=False)) == 4
        latest = unit.runs.latest([first.id, second.id, empty.id])
        assert {key: found.id for key, found in latest.items()} == {first.id: "run-2", second.id: other.id}
        found = unit.runs.timelines([runs[0].id, preview.id, "run-none"])
        assert found == {each: unit.runs.timeline(each) for each in (runs[0].id, preview.id)}
        assert len(found[runs[0].id]) == 2
