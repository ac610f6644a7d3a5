"""States: every version kept, refused ones aside; locks that one holds at a time."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bot.domain.errors import Conflict, NotFound
from bot.domain.ids import new_id
from bot.services.ports import StateVersion
from bot.store import SqlStore
from tests.store.samples import MINUTE, add, every, put, run, state_lock, version, workspace


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(every(StateVersion), st.binary(max_size=200))
def test_every_field_comes_back(store: SqlStore, one: StateVersion, data: bytes) -> None:
    place = put(store, workspace(new_id("name")))
    made_by = add(store, run(place)).id if one.run_id else ""
    one = replace(one, id=new_id("sv"), workspace_id=place.id, run_id=made_by)
    with store.transaction() as unit:
        unit.states.add(one, data)
    with store.reading() as unit:
        assert unit.states.versions(place.id) == [one]
        assert unit.states.data(one.id) == data
        assert unit.states.current(place.id) == (None if one.refused else one)


def test_the_newest_that_was_not_refused_is_current(store: SqlStore) -> None:
    place, other = put(store), put(store, workspace("storage"))
    # Taken in one moment, and the clock even went back once: the order of keeping counts.
    first, second = version(place, 1), version(place, 2)
    aside = version(place, 9, refused="another lineage", created_at=first.created_at + MINUTE)
    restored = version(place, 1, lineage="new", created_at=first.created_at - MINUTE)
    with store.transaction() as unit:
        assert unit.states.current(place.id) is None
        for one in (first, second, aside):
            unit.states.add(one, b"state")
        assert unit.states.current(place.id) == second
        unit.states.add(restored, b"state")
        assert unit.states.current(place.id) == restored
        assert unit.states.versions(place.id) == [restored, aside, second, first]
        assert unit.states.versions(place.id, limit=2) == [restored, aside]
        assert unit.states.current(other.id) is None


def test_what_is_not_there_is_not_found(store: SqlStore) -> None:
    with store.transaction() as unit, pytest.raises(NotFound, match="sv-none"):
        unit.states.data("sv-none")
    with pytest.raises(NotFound), store.transaction() as unit:
        unit.states.add(version(workspace(), 1), b"")


def test_a_version_is_kept_once(store: SqlStore) -> None:
    one = version(put(store), 1)
    with store.transaction() as unit:
        unit.states.add(one, b"one")
    with pytest.raises(Conflict), store.transaction() as unit:
        unit.states.add(one, b"two")
    with store.reading() as unit:
        assert unit.states.data(one.id) == b"one"


def test_a_state_is_locked_by_one(store: SqlStore) -> None:
    place, other = put(store), put(store, workspace("storage"))
    mine = replace(state_lock(place, "mine"), run_id=add(store, run(place)).id)
    theirs = state_lock(place, "theirs")
    with store.transaction() as unit:
        assert unit.states.locked(place.id) is None
        assert unit.states.lock(mine) is None
        assert unit.states.lock(theirs) == mine
        assert unit.states.locked(place.id) == mine
        assert unit.states.lock(mine) is None
        assert unit.states.lock(replace(mine, run_id="")) == mine
        assert unit.states.lock(state_lock(other)) is None


def test_unlocking(store: SqlStore) -> None:
    place = put(store)
    with store.transaction() as unit:
        assert unit.states.unlock(place.id, "mine")
        unit.states.lock(state_lock(place, "mine"))
        assert not unit.states.unlock(place.id, "theirs")
        assert unit.states.locked(place.id) is not None
        assert unit.states.unlock(place.id, "mine")
        assert unit.states.locked(place.id) is None
        unit.states.lock(state_lock(place, "theirs"))
        assert unit.states.unlock(place.id, None)
        assert unit.states.locked(place.id) is None
