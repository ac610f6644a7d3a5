"""Which workspaces have pending runs that wait for a run of another one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest
import sqlalchemy as sa

from bot.domain.errors import Conflict
from bot.domain.runs.lifecycle import RunStatus
from bot.domain.runs.run import Run, RunSource
from bot.domain.workspaces.workspace import Lock
from bot.store import SqlStore
from bot.store.connection import engines
from bot.store.connection import migrate as migrating
from bot.store.repositories.run_rows import run_row
from bot.store.repositories.workspaces import workspace_row
from bot.vault import FernetVault
from tests.store.conftest import Database
from tests.store.samples import AT, add, event, put, run, workspace


def waiting_for(store: SqlStore, one: Run) -> set[str]:
    with store.reading() as unit:
        return set(unit.waiting_runs.workspaces_after(one))


def move(store: SqlStore, one: Run, status: RunStatus) -> None:
    with store.transaction() as unit:
        unit.runs.save(replace(one, status=status), event(one, status.value))


def test_runs_wait_for_a_run_and_for_the_earlier_ones_that_it_follows(store: SqlStore) -> None:
    network, app, web = (put(store, workspace(name)) for name in ("network", "app", "web"))
    first, of_change, second, third = (
        add(store, run(network, change_number=number)) for number in (None, 7, None, None)
    )
    add(store, run(app, after=(second.id,)))
    add(store, run(web, after=(of_change.id,), change_number=7))
    assert waiting_for(store, first) == set()
    assert waiting_for(store, of_change) == {web.id}
    assert waiting_for(store, second) == waiting_for(store, third) == {app.id}
    with store.reading() as unit:
        assert set(unit.waiting_runs.workspaces_after_any(network.id)) == {app.id, web.id}
        assert list(unit.waiting_runs.workspaces_after_any(app.id)) == []


@pytest.mark.parametrize("status", [RunStatus.FETCHING, RunStatus.DISCARDED])
def test_a_run_that_is_no_longer_pending_waits_for_none(store: SqlStore, status: RunStatus) -> None:
    network, app = (put(store, workspace(name)) for name in ("network", "app"))
    first = add(store, run(network))
    waits = add(store, run(app, after=(first.id,)))
    with store.transaction() as unit:
        kept = unit.runs.save(replace(waits, message="another title"), event(waits))
    assert waiting_for(store, first) == {app.id}
    move(store, kept, status)
    assert waiting_for(store, first) == set()


def test_a_locked_workspace_is_read_once_and_as_it_is(store: SqlStore) -> None:
    place = put(store, workspace("network"))
    lock = Lock("ann", "maintenance", AT)
    with store.transaction() as unit:
        unit.runs.add(one := run(place), event(one))
        assert unit.workspaces.get(place.id).lock is None
        unit.workspaces.set_lock(place.id, lock)
        assert unit.workspaces.get(place.id).lock == lock
        unit.workspaces.put(replace(place, auto_apply=True))
        assert unit.workspaces.get(place.id).auto_apply


def test_a_workspace_is_read_again_after_its_run_was_refused(store: SqlStore) -> None:
    place = put(store, workspace("network"))
    add(store, run(place, source=RunSource.PUSH))
    lock = Lock("ann", "maintenance", AT)
    with store.transaction() as unit:
        with pytest.raises(Conflict):
            unit.runs.add(twin := run(place, source=RunSource.PUSH), event(twin))
        if store._engine.dialect.name == "postgresql":
            # The refusal gave the lock on the row back, so somebody else may write it.
            with store.transaction() as other:
                other.workspaces.set_lock(place.id, lock)
            assert unit.workspaces.get(place.id).lock == lock
        assert unit.workspaces.get(place.id).name == "network"


def _insert(connection: sa.Connection, table: str, row: Mapping[str, Any]) -> None:
    """Insert a row as an older version did: without the columns that came later."""
    kept = sa.Table(table, sa.MetaData(), autoload_with=connection)
    known = {column: value for column, value in row.items() if column in kept.c}
    if connection.dialect.name == "sqlite":
        known = {key: v.replace(tzinfo=None) if isinstance(v, datetime) else v for key, v in known.items()}
    connection.execute(sa.insert(kept).values(**known))


def test_an_older_database_comes_to_it_with_its_waiting_runs(empty: Database, vault: FernetVault) -> None:
    engine = engines.make_engine(empty.url, foreign_keys=False)
    with migrating._alone(engine) as connection:
        migrating._upgrade(connection, "0054")
    network, app, web = (workspace(name) for name in ("network", "app", "web"))
    first = run(network)
    waits = run(app, after=(first.id, "run-gone"))
    began = run(web, after=(first.id,), status=RunStatus.FETCHING)
    with engine.begin() as connection:
        for place in (network, app, web):
            _insert(connection, "workspaces", workspace_row(place))
        for one in (first, waits, began):
            _insert(connection, "runs", run_row(one))
    engine.dispose()
    migrating.migrate(empty.url)
    store = SqlStore(empty.url, vault)
    assert waiting_for(store, first) == {app.id}
    store.close()
