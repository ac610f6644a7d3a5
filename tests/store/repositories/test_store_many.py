"""Many rows are read at once, and are the same as one by one: more than a statement takes, too."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bot.domain.people.permissions import Role
from bot.domain.policies.policy import EnforcementLevel, PolicyCheck, PolicyOutcome
from bot.domain.runs.approval import ApprovalRecord
from bot.domain.runs.lifecycle import RunStatus
from bot.services.ports import ArtifactKind, RunQuery
from bot.services.ports.policies import SetVersion
from bot.store import SqlStore
from tests.store.samples import AT, MINUTE, REPO, add, change, put, run, version, workspace

NOBODY = [f"nobody-{number}" for number in range(1200)]


def check(name: str) -> PolicyCheck:
    return PolicyCheck("set", "v1", name, EnforcementLevel.HARD, PolicyOutcome.PASSED)


def test_workspaces_are_read_once(store: SqlStore) -> None:
    places = [put(store, workspace(f"w{number}")) for number in range(3)]
    with store.reading() as unit:
        unit.workspaces.load([*(each.id for each in places), *NOBODY])
        assert [unit.workspaces.get(each.id) for each in places] == places
    with store.transaction() as unit:
        unit.workspaces.load([each.id for each in places])
        unit.workspaces.set_lock(places[0].id, None)
        assert unit.workspaces.get(places[0].id) == places[0]


def test_current_versions(store: SqlStore) -> None:
    first, second, empty = (put(store, workspace(name)) for name in "abc")
    with store.transaction() as unit:
        for place, serial, refused in ((first, 1, ""), (first, 2, ""), (first, 3, "no"), (second, 9, "")):
            unit.states.add(version(place, serial, refused=refused), b"{}")
    ids = [first.id, second.id, empty.id, *NOBODY]
    with store.reading() as unit:
        found = unit.states.currents(ids)
        assert found == {each.id: unit.states.current(each.id) for each in (first, second)}


def test_queues(store: SqlStore) -> None:
    first, second, empty = (put(store, workspace(name)) for name in "abc")
    for place in (first, second, first):
        add(store, run(place))
    add(store, run(empty, plan_only=True))
    add(store, run(second, status=RunStatus.APPLYING))
    with store.reading() as unit:
        found = unit.runs.queues([first.id, second.id, empty.id, *NOBODY])
        assert found == {each.id: list(unit.runs.queue(each.id)) for each in (first, second)}


def test_files_checks_and_approvals_of_runs(store: SqlStore) -> None:
    place = put(store)
    one, two, three = (add(store, run(place)) for _ in range(3))
    ids = [one.id, two.id, three.id, *NOBODY]
    record = ApprovalRecord("apv-1", place.id, 7, "c1", "d1", "r", "wren", Role.WRITE, AT, run_id=one.id)
    newer = replace(record, id="apv-2", at=AT + MINUTE)
    elsewhere = replace(record, id="apv-3", change_number=8, run_id=two.id)
    with store.transaction() as unit:
        for each in (one, two):
            unit.artifacts.put(each.id, ArtifactKind.PLAN_FACTS, each.id.encode())
        unit.artifacts.put(three.id, ArtifactKind.BASIS, b"another")
        unit.policies.keep_version(SetVersion("v1", "set", "here", "c1", {}, AT))
        unit.policies.put(one.id, [check("a"), check("b")])
        unit.policies.put(two.id, [check("c")])
        for each_record in (record, newer, elsewhere):
            unit.approvals.add(each_record)
    with store.reading() as unit:
        files = unit.artifacts.of_runs(ids, ArtifactKind.PLAN_FACTS)
        assert files == {one.id: one.id.encode(), two.id: two.id.encode()}
        checks = unit.policies.of_runs(ids)
        assert checks == {each.id: list(unit.policies.of_run(each.id)) for each in (one, two)}
        assert unit.approvals.of_runs(ids) == {one.id: newer, two.id: elsewhere}
        assert unit.approvals.of_workspaces([place.id, *NOBODY], 7) == [newer, record]


@pytest.mark.parametrize("many", [[], NOBODY])
def test_runs_of_several_commits(store: SqlStore, many: list[str]) -> None:
    place = put(store)
    one, two, _ = (add(store, run(place, commit=f"c{number}")) for number in range(3))
    with store.reading() as unit:
        found = unit.runs.find(RunQuery(commits=frozenset(["c0", "c1", *many])))
        assert {each.id for each in found} == {one.id, two.id}
        assert unit.runs.find(RunQuery(commits=frozenset())) == []


def test_the_heads_of_open_changes(store: SqlStore) -> None:
    with store.transaction() as unit:
        for number in (7, 9, 8):
            record = change(number, workspace_ids=("ws-1", f"ws-{number}"))
            unit.changes.put(replace(record, change=replace(record.change, open=number != 8)))
    with store.reading() as unit:
        found = unit.changes.open_heads(REPO)
    assert [(each.number, each.head_sha, each.workspace_ids) for each in found] == [
        (9, "c0ffee", ("ws-1", "ws-9")),
        (7, "c0ffee", ("ws-1", "ws-7")),
    ]
