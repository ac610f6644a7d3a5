"""The same tests on both databases: `database` is a fresh one of each kind, migrated."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from itertools import count
from pathlib import Path

import psycopg
import pytest

from bot.store import SqlStore, migrate
from bot.vault import FernetVault, generate_key
from tests.support import databases
from tests.support.postgres import PostgresMissing, PostgresServer, running_postgres
from tests.support.stores import Stores

_numbers = count(1)


@dataclass(frozen=True)
class Database:
    """A database, and what a test wants to know of it past the store. `file` is None on PostgreSQL."""

    url: str
    file: Path | None = None
    server: PostgresServer | None = None

    def locked(self, table: str, column: str, value: str) -> bool:
        """Whether somebody holds the row (on SQLite: the database) against writing, asked without waiting."""
        if self.file is not None:
            connection = sqlite3.connect(self.file, timeout=0, isolation_level=None)
            try:
                connection.execute("BEGIN IMMEDIATE")
                connection.execute("ROLLBACK")
            except sqlite3.OperationalError:
                return True
            finally:
                connection.close()
            return False
        with psycopg.connect(self.url) as session:
            try:
                query = f'SELECT 1 FROM "{table}" WHERE "{column}" = %s FOR NO KEY UPDATE NOWAIT'
                assert session.execute(query, [value]).fetchone() is not None
            except psycopg.errors.LockNotAvailable:
                return True
        return False

    def raw(self) -> bytes:
        """Everything that lies on the disk, in the write-ahead log too."""
        if self.file is not None:
            beside = self.file.parent.glob(self.file.name + "*")
            return b"".join(path.read_bytes() for path in beside)
        assert self.server is not None
        with psycopg.connect(self.url, autocommit=True) as session:
            session.execute("CHECKPOINT")
            found = session.execute(
                "SELECT oid FROM pg_database WHERE datname = current_database()"
            ).fetchone()
        assert found is not None
        data = self.server.sockets / "data"
        folders = (data / "base" / str(found[0]), data / "pg_wal")
        return b"".join(
            path.read_bytes() for folder in folders for path in folder.rglob("*") if path.is_file()
        )


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    try:
        with running_postgres() as server:
            migrate(server.create("migrated"))
            yield server
    except PostgresMissing as missing:
        pytest.skip(str(missing))


@pytest.fixture(params=["sqlite", "postgresql"])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def empty(kind: str, request: pytest.FixtureRequest, tmp_path: Path) -> Database:
    """A database without a schema."""
    if kind == "sqlite":
        path = tmp_path / "plangate.sqlite"
        return Database(f"sqlite:///{path}", file=path)
    server: PostgresServer = request.getfixturevalue("postgres")
    return Database(server.create(f"empty_{next(_numbers)}"), server=server)


@pytest.fixture
def database(kind: str, request: pytest.FixtureRequest, stores: Stores) -> Database:
    """A database with the schema and nothing in it, always at the same address."""
    if kind == "sqlite":
        path = stores.folder / "store" / "plangate.sqlite"
        databases.put_anew(path)
        return Database(f"sqlite:///{path}", file=path)
    server: PostgresServer = request.getfixturevalue("postgres")
    return Database(server.empty("migrated"), server=server)


@pytest.fixture(scope="session")
def vault() -> FernetVault:
    return FernetVault([generate_key()])


@pytest.fixture(scope="session")
def stores_by_url(vault: FernetVault) -> Callable[[str], SqlStore]:
    """Stores that stay: one that is new would compile every statement again."""
    return cache(lambda url: SqlStore(url, vault))


@pytest.fixture
def store(database: Database, stores_by_url: Callable[[str], SqlStore]) -> Iterator[SqlStore]:
    store = stores_by_url(database.url)
    yield store
    store.close()
