"""Transactions: all or nothing, one moment's data, and the database's troubles in the project's words."""

from __future__ import annotations

import traceback
from pathlib import Path

import pytest
import sqlalchemy as sa

from bot.domain.errors import ConfigError, Conflict, PlangateError
from bot.services.ports import ArtifactKind, Store
from bot.store import SqlStore, migrate, pending
from bot.store.connection import engines
from bot.store.schema.runs import run_events
from bot.vault import FernetVault
from tests.store.conftest import Database
from tests.store.racing import in_threads
from tests.store.samples import AT, MINUTE, add, delivery, put, run, workspace


def test_a_store_is_the_port(store: SqlStore) -> None:
    port: Store = store
    with port.transaction() as unit:
        assert unit.workspaces.all() == []


def test_a_block_that_raises_leaves_nothing(store: SqlStore) -> None:
    with pytest.raises(ZeroDivisionError), store.transaction() as unit:
        unit.workspaces.put(workspace())
        unit.deliveries.add(delivery())
        unit.posts.mark_due(AT, "run-1")
        _ = 1 / 0
    with store.reading() as unit:
        assert unit.workspaces.all() == []
        assert unit.deliveries.recent(9) == []
        assert unit.posts.due_mark("run-1") == 0


def test_a_reader_sees_one_moment_and_makes_nobody_wait(store: SqlStore) -> None:
    place = put(store)
    with store.reading() as reader:
        assert len(reader.workspaces.all()) == 1
        add(store, run(place))  # in the same thread: would hang if the reader were in the way
        put(store, workspace("storage"))
        assert len(reader.workspaces.all()) == 1
        assert reader.runs.queue(place.id) == []
    with store.reading() as reader:
        assert len(reader.workspaces.all()) == 2
        assert len(reader.runs.queue(place.id)) == 1


def test_a_reader_can_not_write(store: SqlStore) -> None:
    with pytest.raises((PlangateError, sa.exc.DBAPIError), match=r"read-?only"), store.reading() as unit:
        unit.workspaces.put(workspace())
    put(store)  # and the connection, used again, can


def test_a_writer_sees_what_was_written_before_it(store: SqlStore) -> None:
    """Read, then write: on SQLite a deferred transaction would fail here."""
    place = put(store)
    one = add(store, run(place))
    with store.transaction() as unit:
        unit.runs.get(one.id)
        unit.runs.save(one)
    with store.transaction() as unit:
        assert unit.runs.get(one.id).version == one.version + 1


def test_times_are_kept_in_utc(store: SqlStore, database: Database) -> None:
    add(store, run(put(store)))
    engine = sa.create_engine(engines.read_url(database.url))
    with engine.connect() as connection:
        kept = connection.execute(sa.text("SELECT CAST(created_at AS TEXT) FROM runs")).scalar_one()
        if database.server is not None:
            # The server's own zone is far off on purpose; what it keeps is the moment.
            query = "SELECT CAST(created_at AT TIME ZONE 'UTC' AS TEXT) FROM runs"
            kept = connection.execute(sa.text(query)).scalar_one()
    engine.dispose()
    assert kept == "2026-01-02 03:04:05.678901"


def test_an_error_shows_nothing_of_what_was_written(store: SqlStore) -> None:
    secret = "hunter2-hunter2"
    one = workspace(id="ws-same", branch=secret)
    put(store, one)
    with pytest.raises(Conflict) as caught, store.transaction() as unit:
        unit.workspaces.put(workspace("another", id="ws-same", branch=secret))
    assert secret not in "".join(traceback.format_exception(caught.value))


def _impatient(database: Database, monkeypatch: pytest.MonkeyPatch) -> str:
    """The database, for a store that waits for nobody's lock."""
    if database.file is not None:
        monkeypatch.setattr(engines, "_BUSY_SECONDS", 0)
        return database.url
    return database.url + "&options=-c%20lock_timeout%3D20ms"


def test_a_lock_that_is_not_let_go_of_is_a_conflict(
    store: SqlStore, database: Database, vault: FernetVault, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = put(store)
    other = SqlStore(_impatient(database, monkeypatch), vault)
    with store.transaction() as unit:
        unit.workspaces.get(place.id, for_update=True)
        with pytest.raises(Conflict, match="busy"), other.transaction() as late:
            late.workspaces.get(place.id, for_update=True)
    with other.transaction() as late:
        assert late.workspaces.get(place.id, for_update=True) == place
    other.close()


def test_a_deadlock_is_a_conflict_for_one_and_nothing_for_the_other(store: SqlStore) -> None:
    with store.transaction() as unit:
        fences = {name: unit.leases.take(name, "a", AT, MINUTE) for name in ("one", "two")}

    def crosswise(first: str, second: str) -> str:
        with store.transaction() as unit:
            for name in (first, second):
                unit.leases.check(name, fences[name] or 0)
        return "went through"

    # However the threads fall, each goes through or is told to try again; none hangs.
    for _ in range(10):
        results = in_threads([lambda: crosswise("one", "two"), lambda: crosswise("two", "one")])
        assert "went through" in results
        assert all(r == "went through" or isinstance(r, Conflict) for r in results), results


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("sqlite://", "in memory"),
        ("sqlite:///:memory:", "in memory"),
        ("mysql://root:hunter2@db/x", "not supported"),
        ("hunter2", "malformed"),
        ("", "malformed"),
        ("postgresql://u:hunter2@h:port/x", "malformed"),
    ],
)
def test_a_wrong_url_says_what_to_write_and_repeats_no_password(
    url: str, says: str, vault: FernetVault
) -> None:
    for use in (lambda: SqlStore(url, vault), lambda: migrate(url), lambda: pending(url)):
        with pytest.raises(ConfigError, match=says) as caught:
            use()
        told = "".join(traceback.format_exception(caught.value))
        assert "hunter2" not in told
        assert "write sqlite:///path/to/file or postgresql://" in told


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+psycopg"])
def test_the_ways_to_write_a_postgresql_url(scheme: str) -> None:
    url = engines.read_url(f"{scheme}://ann:secret@db.example:5433/plangate?sslmode=require")
    assert url.drivername == "postgresql+psycopg"
    assert (url.host, url.port, url.password, url.query["sslmode"]) == (
        "db.example",
        5433,
        "secret",
        "require",
    )


def test_a_database_that_can_not_be_reached(vault: FernetVault, tmp_path: Path) -> None:
    for url in (f"postgresql://ann:hunter2@/x?host={tmp_path}", f"sqlite:///{tmp_path}"):
        store = SqlStore(url, vault)
        assert "hunter2" not in repr(store)
        with pytest.raises(PlangateError, match="can't be used") as caught, store.transaction():
            pass
        assert "hunter2" not in "".join(traceback.format_exception(caught.value))


def test_rows_of_a_run_go_with_it(store: SqlStore, database: Database) -> None:
    one = add(store, run(put(store)))
    with store.transaction() as unit:
        unit.artifacts.put(one.id, ArtifactKind.VARIABLES, b"x")
        unit.artifacts.append_output(one.id, "plan", "x")
    engine = engines.make_engine(database.url)
    with engine.begin() as connection:
        connection.execute(sa.text("DELETE FROM runs"))
        for table in ("run_events", "artifacts", "output"):
            count = sa.select(sa.func.count()).select_from(sa.table(table))
            assert connection.execute(count).scalar_one() == 0
        with pytest.raises(sa.exc.IntegrityError):
            connection.execute(
                sa.insert(run_events).values(run_id="run-none", at=AT, kind="x", actor="x", message="x")
            )
    engine.dispose()
