"""Workspaces, kept."""

from __future__ import annotations

from dataclasses import replace
from typing import cast

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings

from bot.domain.errors import Conflict, NotFound
from bot.domain.events import RepoRef
from bot.domain.ids import new_id
from bot.domain.workspaces.workspace import Lock, Workspace
from bot.store import SqlStore
from bot.store.repositories.workspaces import read_workspace, workspace_row
from tests.store.conftest import Database
from tests.store.samples import AT, REPO, every, put, workspace


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(every(Workspace))
def test_every_field_comes_back(store: SqlStore, place: Workspace) -> None:
    place = replace(place, id=new_id("ws"))
    with store.transaction() as unit:
        stands = unit.workspaces.put(place)
        # Whatever was there by that name keeps its id and its lock.
        assert replace(stands, id=place.id, lock=place.lock) == place
    with store.reading() as unit:
        assert unit.workspaces.get(stands.id) == stands == unit.workspaces.named(place.name)


def test_put_keeps_the_id_and_the_lock_of_one_that_is_there(store: SqlStore) -> None:
    first = put(store)
    lock = Lock("ann", "migrating", AT)
    with store.transaction() as unit:
        unit.workspaces.set_lock(first.id, lock)
        stands = unit.workspaces.put(workspace(working_directory="net", auto_apply=True))
    assert stands == replace(first, working_directory="net", auto_apply=True, lock=lock)
    with store.reading() as unit:
        assert unit.workspaces.all() == [stands]


def test_lock_and_unlock(store: SqlStore) -> None:
    place = put(store)
    lock = Lock("ann", "", AT)
    with store.transaction() as unit:
        unit.workspaces.set_lock(place.id, lock)
        assert unit.workspaces.get(place.id).lock == lock
        unit.workspaces.set_lock(place.id, None)
        assert unit.workspaces.get(place.id).lock is None


def test_active_ones_by_name_in_plain_order(store: SqlStore) -> None:
    names = ["b", "a-b", "ab", "B", "ä"]
    put(store, *(workspace(name) for name in names))
    put(store, workspace("gone", active=False), workspace("far", repo=RepoRef("gitlab", REPO.path)))
    with store.reading() as unit:
        assert [place.name for place in unit.workspaces.of_repo(REPO)] == sorted(names)
        assert [place.name for place in unit.workspaces.all()] == sorted([*names, "far"])
        assert not unit.workspaces.named("gone").active


def test_those_that_share_their_states(store: SqlStore) -> None:
    put(store, workspace("network", share_state_with=("app-*",)), workspace("app"))
    put(store, workspace("gone", active=False, share_state_with=("*",)))
    with store.reading() as unit:
        assert [place.name for place in unit.workspaces.all(sharing=True)] == ["network"]


def test_a_discovered_workspace_from_before_counts_as_proposed_until_the_next_push() -> None:
    for discovered in (True, False):
        row = workspace_row(workspace(discovered=discovered))
        del row["isolation"]["proposed"]
        assert read_workspace(cast(sa.RowMapping, row)).proposed == discovered


def test_what_is_not_there_is_not_found(store: SqlStore) -> None:
    with store.transaction() as unit:
        for ask in (
            lambda: unit.workspaces.get("ws-none"),
            lambda: unit.workspaces.get("ws-none", for_update=True),
            lambda: unit.workspaces.named("none"),
            lambda: unit.workspaces.set_lock("ws-none", None),
        ):
            with pytest.raises(NotFound, match="none"):
                ask()


def test_for_update_makes_others_wait(store: SqlStore, database: Database) -> None:
    place = put(store)
    with store.transaction() as unit:
        unit.workspaces.get(place.id, for_update=True)
        assert database.locked("workspaces", "id", place.id)
    assert not database.locked("workspaces", "id", place.id)


def test_an_id_is_given_once(store: SqlStore) -> None:
    place = put(store)
    with pytest.raises(Conflict), store.transaction() as unit:
        unit.workspaces.put(workspace("another", id=place.id))
