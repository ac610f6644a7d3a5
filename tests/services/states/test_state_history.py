"""Versions of states by people: what may be rolled back, taken out and brought along, when and by whom."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from typing import Any

import pytest

from bot.domain.errors import Conflict, Forbidden, Invalid, NotFound
from bot.domain.ids import new_id
from bot.domain.people.permissions import Person, Role
from bot.domain.runs.lifecycle import HOLDS_WORKSPACE, RunStatus
from bot.domain.runs.run import Run, RunEvent, RunSource
from bot.domain.workspaces.workspace import Lock, Workspace
from bot.services.ports import StateLock, StateVersion
from bot.services.states.backend import Access, Grant, StateService
from bot.services.states.history import StateVersions
from bot.services.states.resource_index import ResourceIndex
from tests.fakes.house import House

BOSS, PLANNER = Person("boss", Role.WRITE), Person("pat", Role.PLAN)


def state(serial: int, word: str = "one", lineage: str = "lin-1") -> bytes:
    outputs = {"word": {"value": word, "type": "string"}}
    members = {"version": 4, "serial": serial, "lineage": lineage, "outputs": outputs}
    return json.dumps(members, indent=2).encode()


class Desk:
    """A workspace with its states."""

    def __init__(self, house: House) -> None:
        self.house = house
        self.kept = StateVersions(house.store, house.clock, ResourceIndex(house.store, house.vault))
        self.place = house.workspace("net")
        self.terraform = StateService(house.store, house.vault, house.clock)

    def run(self, status: RunStatus, place: Workspace | None = None, **about: Any) -> Run:
        now = self.house.clock.now()
        fields = {
            "plan_only": False,
            "source": RunSource.MANUAL,
            "commit": new_id("c"),
            "branch": "main",
            "message": "",
            "created_by": "ann",
            "created_at": now,
            "status_at": now,
            **about,
        }
        run = Run(id=new_id("run"), workspace_id=(place or self.place).id, status=status, **fields)
        with self.house.store.transaction() as tx:
            return tx.runs.add(run, RunEvent(run.id, now, status.value, "", ""))

    def applied(self, *states: bytes) -> list[StateVersion]:
        """Have a run push states and end; return them as versions, oldest first."""
        run = self.run(RunStatus.APPLYING)
        for one in states:
            self.house.clock.forward(seconds=1)
            self.terraform.push(Grant(run.id, self.place.id, Access.WRITE), one)
        with self.house.store.transaction() as tx:
            tx.runs.save(tx.runs.get(run.id).move(RunStatus.APPLIED, self.house.clock.now()))
        return list(reversed(self.versions()))[-len(states) :]

    def versions(self) -> list[StateVersion]:
        with self.house.store.reading() as tx:
            return list(tx.states.versions(self.place.id))

    def current(self) -> tuple[StateVersion, dict[str, Any]]:
        with self.house.store.reading() as tx:
            version = tx.states.current(self.place.id)
            assert version is not None
            return version, json.loads(tx.states.data(version.id))


@pytest.fixture
def desk(house: House) -> Iterator[Desk]:
    yield Desk(house)


# Rolling back


def test_rolling_back_adds_a_version_with_the_old_content_and_the_next_serial(desk: Desk) -> None:
    old, _, newest = desk.applied(state(1, "one"), state(2, "two"), state(7, "three"))
    done = desk.kept.roll_back(desk.place.id, old.id, BOSS)
    current, content = desk.current()
    assert current == done
    assert (done.serial, done.lineage, done.run_id, done.made_by) == (8, newest.lineage, "", "boss")
    assert done.note == f"rolled back to {old.id} (serial 1) by boss"
    assert content == json.loads(state(8, "one"))
    assert (done.md5, done.size) == (hashlib.md5(state(8, "one")).hexdigest(), len(state(8, "one")))
    assert len(desk.versions()) == 4, "nothing is changed or taken away"


def test_the_next_run_goes_on_from_what_was_rolled_back(desk: Desk) -> None:
    old, _ = desk.applied(state(1, "one"), state(2, "two"))
    desk.kept.roll_back(desk.place.id, old.id, BOSS)
    desk.applied(state(4, "four"))
    assert desk.current()[0].serial == 4


def test_the_current_one_is_no_way_back(desk: Desk) -> None:
    (only,) = desk.applied(state(1))
    with pytest.raises(Invalid, match="current state already"):
        desk.kept.roll_back(desk.place.id, only.id, BOSS)


def test_a_refused_upload_can_be_taken_over(desk: Desk) -> None:
    desk.applied(state(5, "five"))
    run = desk.run(RunStatus.APPLYING)
    with pytest.raises(Conflict):
        desk.terraform.push(Grant(run.id, desk.place.id, Access.WRITE), state(4, "true after all"))
    with desk.house.store.transaction() as tx:
        tx.runs.save(tx.runs.get(run.id).move(RunStatus.ERRORED, desk.house.clock.now()))
    refused = desk.versions()[0]
    assert refused.refused
    done = desk.kept.roll_back(desk.place.id, refused.id, BOSS)
    assert (done.serial, desk.current()[1]) == (6, json.loads(state(6, "true after all")))


@pytest.mark.parametrize(
    ("upload", "error", "says"),
    [(state(9, lineage="lin-2"), Conflict, "another state"), (b"rubbish", Invalid, "not a Terraform state")],
)
def test_what_was_refused_for_good_reason_stays_aside(
    desk: Desk, upload: bytes, error: type[Exception], says: str
) -> None:
    desk.applied(state(5))
    run = desk.run(RunStatus.APPLYING)
    with pytest.raises((Conflict, Invalid)):
        desk.terraform.push(Grant(run.id, desk.place.id, Access.WRITE), upload)
    with desk.house.store.transaction() as tx:
        tx.runs.save(tx.runs.get(run.id).move(RunStatus.ERRORED, desk.house.clock.now()))
    with pytest.raises(error, match=says):
        desk.kept.roll_back(desk.place.id, desk.versions()[0].id, BOSS)
    assert desk.current()[0].serial == 5


# When, and by whom


def _changes(desk: Desk, person: Person = BOSS) -> list[Any]:
    old = desk.versions()[-1]
    return [
        lambda: desk.kept.roll_back(desk.place.id, old.id, person),
        lambda: desk.kept.push(desk.place.id, state(50, "fifty"), person),
        lambda: desk.kept.push(desk.place.id, state(50, "fifty"), person, force=True),
    ]


@pytest.mark.parametrize("status", sorted(HOLDS_WORKSPACE))
def test_not_while_a_run_holds_the_workspace(desk: Desk, status: RunStatus) -> None:
    desk.applied(state(1, "one"), state(2, "two"))
    holder = desk.run(status)
    for change in _changes(desk):
        with pytest.raises(Conflict, match=f"{holder.id} holds the workspace"):
            change()
    assert len(desk.versions()) == 2


def test_neither_waiting_runs_nor_previews_are_in_the_way(desk: Desk) -> None:
    old, _ = desk.applied(state(1, "one"), state(2, "two"))
    desk.run(RunStatus.PENDING)
    desk.run(RunStatus.PLANNING, plan_only=True)
    assert desk.kept.roll_back(desk.place.id, old.id, BOSS).serial == 3


def test_not_while_terraforms_lock_stands(desk: Desk) -> None:
    desk.applied(state(1, "one"), state(2, "two"))
    gone = desk.run(RunStatus.ERRORED)
    with desk.house.store.transaction() as tx:
        tx.states.lock(StateLock(desk.place.id, "lock-1", gone.id, "{}", desk.house.clock.now()))
    for change in _changes(desk):
        with pytest.raises(Conflict, match=f"the state is locked by {gone.id}"):
            change()


def test_not_while_somebody_else_has_locked_the_workspace(desk: Desk) -> None:
    old, _ = desk.applied(state(1, "one"), state(2, "two"))
    lock = Lock("carol", "moving house", desk.house.clock.now())
    with desk.house.store.transaction() as tx:
        tx.workspaces.set_lock(desk.place.id, lock)
    for change in _changes(desk):
        with pytest.raises(Conflict, match="locked by carol: moving house"):
            change()
    assert desk.kept.roll_back(desk.place.id, old.id, Person("carol", Role.WRITE)).serial == 3


def test_it_takes_write_access_and_reading_secrets_does_too(desk: Desk) -> None:
    desk.applied(state(1, "one"), state(2, "two"))
    for change in (*_changes(desk, PLANNER), lambda: desk.kept.download(desk.place.id, PLANNER)):
        with pytest.raises(Forbidden, match=r"pat has plan access .* edit state needs write access"):
            change()
    assert len(desk.versions()) == 2


# Looking


def test_a_version_of_another_workspace_is_not_found(desk: Desk) -> None:
    (one,) = desk.applied(state(1))
    other = desk.house.workspace("app")
    for ask in (
        lambda: desk.kept.show(other.id, BOSS, one.id),
        lambda: desk.kept.download(other.id, BOSS, one.id),
        lambda: desk.kept.roll_back(other.id, one.id, BOSS),
        lambda: desk.kept.show(desk.place.id, BOSS, "sv-none"),
    ):
        with pytest.raises(NotFound, match="no state version"):
            ask()
    with pytest.raises(NotFound, match="no state here yet"):
        desk.kept.show(other.id, BOSS)


def test_the_current_one_is_shown_unless_another_is_asked_for(desk: Desk) -> None:
    old, new = desk.applied(state(1, "one"), state(2, "two"))
    version, contents = desk.kept.show(desk.place.id, BOSS)
    assert (version, contents.outputs[0].value) == (new, "two")
    version, contents = desk.kept.show(desk.place.id, BOSS, old.id)
    assert (version, contents.outputs[0].value) == (old, "one")
    assert desk.kept.download(desk.place.id, BOSS, old.id) == (old, state(1, "one"))
    assert desk.kept.download(desk.place.id, BOSS) == (new, state(2, "two"))


# Bringing one along


def test_the_first_state_is_taken_as_it_is(desk: Desk) -> None:
    desk.house.clock.forward(minutes=1)
    done = desk.kept.push(desk.place.id, state(41), BOSS)
    assert desk.kept.download(desk.place.id, BOSS) == (done, state(41))
    assert done is not None
    assert (done.serial, done.made_by, done.note) == (41, "boss", "pushed from a file by boss")
    assert done.created_at == desk.house.clock.now()
    assert desk.kept.push(desk.place.id, state(41), BOSS) is None, "it is the current one already"
    assert len(desk.versions()) == 1


@pytest.mark.parametrize(
    ("upload", "says", "serial"),
    [
        (state(9, lineage="lin-2"), "another state, lin-2", 9),
        (state(2, lineage="lin-2"), "another state, lin-2", 6),
        (state(4), "serial is 5 already, this one's is 4", 6),
        (state(5, "other"), "serial is 5 already, this one's is 5", 6),
    ],
)
def test_another_state_takes_force_and_the_serial_goes_on(
    desk: Desk, upload: bytes, says: str, serial: int
) -> None:
    desk.applied(state(5))
    with pytest.raises(Conflict, match=f"{says}; --force"):
        desk.kept.push(desk.place.id, upload, BOSS)
    assert len(desk.versions()) == 1
    done = desk.kept.push(desk.place.id, upload, BOSS, force=True)
    assert done is not None
    assert (done.serial, says in done.note) == (serial, True)
    assert desk.current()[1] == {**json.loads(upload), "serial": serial}


def test_a_higher_serial_of_the_same_lineage_needs_no_force(desk: Desk) -> None:
    desk.applied(state(5))
    done = desk.kept.push(desk.place.id, state(6, "six"), BOSS)
    assert done is not None
    assert done.note == "pushed from a file by boss"


@pytest.mark.parametrize("upload", [b"", b"[]", b'{"version": 4, "serial": 1}', b'{"encrypted_data": "x"}'])
def test_what_is_no_state_is_not_taken_by_force_either(desk: Desk, upload: bytes) -> None:
    for force in (False, True):
        with pytest.raises(Invalid, match="not a Terraform state"):
            desk.kept.push(desk.place.id, upload, BOSS, force=force)
    assert desk.versions() == []


def test_a_serial_that_can_not_grow_is_no_way_on(desk: Desk) -> None:
    old, _ = desk.applied(state(1, "one"), state(2**63 - 1, "last"))
    with pytest.raises(Invalid, match="no serial"):
        desk.kept.roll_back(desk.place.id, old.id, BOSS)
