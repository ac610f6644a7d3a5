"""Engines: a database URL turned into connections that behave as the store promises, on both databases."""

from __future__ import annotations

import sqlite3
from typing import Any

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.engine import URL
from sqlalchemy.pool import ConnectionPoolEntry, QueuePool

from bot.domain.errors import ConfigError
from bot.store.connection.forking import survive_forks
from bot.store.connection.writers import looked_for, writers_turn

_FORMS = "write sqlite:///path/to/file or postgresql://user:password@host/name"

# How long a writer waits for another's lock before it gives up with a Conflict, in seconds.
_BUSY_SECONDS = 30

# The options of a connection, by what its transaction may do. PostgreSQL: a reader sees one moment's data, a
# writer the newest committed rows. SQLite: every transaction sees one moment's; a writer waits at its start.
READING: dict[str, dict[str, Any]] = {
    "sqlite": {"plangate_reading": True},
    "postgresql": {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True},
}
WRITING: dict[str, dict[str, Any]] = {"sqlite": {"plangate_reading": False}, "postgresql": {}}


def read_url(url: str) -> URL:
    """Read a database URL as people write it. Raises ConfigError, without repeating it: it has a password."""
    try:
        parsed = sa.make_url(url)
    except (sa.exc.ArgumentError, ValueError):
        raise ConfigError(f"DATABASE_URL is malformed; {_FORMS}") from None
    if parsed.drivername in ("postgres", "postgresql", "postgresql+psycopg"):
        return parsed.set(drivername="postgresql+psycopg")
    if parsed.drivername in ("sqlite", "sqlite+pysqlite"):
        if parsed.database in (None, "", ":memory:"):
            raise ConfigError(
                f"DATABASE_URL names a database in memory, which other processes can't see; {_FORMS}"
            )
        return parsed.set(drivername="sqlite+pysqlite")
    raise ConfigError(f"DATABASE_URL names a kind of database that is not supported; {_FORMS}")


def make_engine(url: str, *, foreign_keys: bool = True) -> sa.Engine:
    """Return an engine. Connects to nothing yet. Raises ConfigError."""
    parsed = read_url(url)
    engine = _sqlite(parsed, foreign_keys) if parsed.drivername.startswith("sqlite") else _postgresql(parsed)
    survive_forks(engine)
    return engine


def _postgresql(url: URL) -> sa.Engine:
    # A worker that hangs within a transaction must not hold up the others forever (promise 3).
    options = f"-c lock_timeout={_BUSY_SECONDS}s -c idle_in_transaction_session_timeout=120s"
    arguments: dict[str, Any] = {"connect_timeout": 10}
    if "options" not in url.query:
        arguments["options"] = options
    return sa.create_engine(
        url,
        isolation_level="READ COMMITTED",
        pool_pre_ping=True,
        pool_size=8,
        max_overflow=24,
        connect_args=arguments,
        hide_parameters=True,  # error messages must not show written values (promise 6)
    )


def _sqlite(url: URL, foreign_keys: bool) -> sa.Engine:
    engine = sa.create_engine(
        url,
        poolclass=QueuePool,
        pool_size=8,
        max_overflow=24,
        connect_args={"timeout": _BUSY_SECONDS, "check_same_thread": False},
        hide_parameters=True,
    )

    @event.listens_for(engine, "connect")
    def connected(connection: Any, _record: ConnectionPoolEntry) -> None:
        # Python's driver would begin transactions on its own, too late and without the lock.
        connection.isolation_level = None
        connection.execute(f"PRAGMA foreign_keys = {'ON' if foreign_keys else 'OFF'}")
        # NORMAL syncs a WAL only at checkpoints: a power cut could forget a delivery that was answered, which
        # the forge will not send again (promise 3). FULL syncs at every commit.
        connection.execute("PRAGMA synchronous = FULL")

    @event.listens_for(engine, "begin")
    def begun(connection: sa.Connection) -> None:
        reading = connection.get_execution_options().get("plangate_reading", False)
        if connection.info.get("plangate_reading") is not reading:
            connection.exec_driver_sql(f"PRAGMA query_only = {'ON' if reading else 'OFF'}")
            connection.exec_driver_sql(f"PRAGMA busy_timeout = {_BUSY_SECONDS * 1000 if reading else 0}")
            connection.info["plangate_reading"] = reading
        if reading:
            connection.exec_driver_sql("BEGIN DEFERRED")
        else:
            _begin_writing(connection)

    return engine


def _begin_writing(connection: sa.Connection) -> None:
    """Begin a transaction with SQLite's lock for writing. Raises OperationalError if it is never free."""
    # Asked of the driver itself: asked by SQLAlchemy, each look that finds the lock taken costs half a
    # millisecond, and behind busy workers there are hundreds.
    driver = connection.connection.driver_connection
    assert isinstance(driver, sqlite3.Connection)

    def begun() -> bool:
        # IMMEDIATE: a deferred one that reads and then writes fails if another wrote in between.
        try:
            driver.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError as error:
            # SQLITE_BUSY_RECOVERY too: the process that comes first after a crash reads the log over.
            if error.sqlite_errorname.startswith("SQLITE_BUSY"):
                return False
            # Once more, for an error in SQLAlchemy's words.
            connection.exec_driver_sql("BEGIN IMMEDIATE")
        return True

    with writers_turn(str(connection.engine.url.database)):
        if not looked_for(begun, _BUSY_SECONDS):
            connection.exec_driver_sql("BEGIN IMMEDIATE")
