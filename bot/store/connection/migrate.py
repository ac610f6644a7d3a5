"""Migrates a database's schema from within the program: there is no alembic.ini.

Every process asks at its start whether something is to be done, and almost always there is nothing. So
Alembic is only imported for a migration: revisions are known by the names of their files, which have numbers.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy as sa

from bot.domain.errors import ConfigError, PlangateError
from bot.services.ports import SchemaState
from bot.store.connection.engines import READING, make_engine
from bot.store.connection.failures import in_our_words

_SCRIPTS = Path(__file__).parents[1] / "migrations"
# "plangate" in bytes: the advisory lock by which processes that start at once wait for each other.
_ADVISORY_LOCK = int.from_bytes(b"plangate", "big")


def migrate(url: str) -> tuple[str, ...]:
    """Migrate the schema, creating the database file if there is none; return the applied migrations.

    Several processes can call it at once: one migrates, the others wait. All or nothing, in one
    transaction.
    Raises ConfigError if the URL is malformed or the database is newer than this program.
    """
    engine = make_engine(url, foreign_keys=False)
    try:
        with in_our_words(), _alone(engine) as connection:
            waiting = _pending(connection)
            if waiting:
                _upgrade(connection)
                verify_references(connection)
            return waiting
    finally:
        engine.dispose()


def pending(url: str) -> tuple[str, ...]:
    """Return the migrations that the database lacks, oldest first; every one if there is no database yet.

    Raises ConfigError if the URL is malformed or the database is newer than this program.
    """
    engine = make_engine(url)
    try:
        path = _file(engine)
        if path is not None and not path.exists():
            return _all_revisions()
        options = READING[engine.dialect.name]
        with in_our_words(), engine.connect() as bare:
            connection = bare.execution_options(**options)
            with connection.begin():
                return _pending(connection)
    finally:
        engine.dispose()


def compared(connection: sa.Connection) -> SchemaState:
    """Return how the schema compares with this program's migrations."""
    known, current = _all_revisions(), revision_of(connection)
    if current == known[-1]:
        return SchemaState.CURRENT
    return SchemaState.BEHIND if current is None or current in known else SchemaState.NEWER


@contextmanager
def _alone(engine: sa.Engine) -> Iterator[sa.Connection]:
    """Begin a transaction in which no other process migrates."""
    path = _file(engine)
    if path is None:
        with engine.begin() as connection:
            connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_ADVISORY_LOCK)))
            yield connection
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    with _folder_locked(path.parent):
        path.touch(mode=0o600)
        with engine.connect() as connection:
            # Past SQLAlchemy, which would begin a transaction: the mode can't change within one. It stays
            # with the file, so nobody else has to set it.
            connection.connection.cursor().execute("PRAGMA journal_mode = WAL")
        with engine.begin() as connection:
            yield connection


@contextmanager
def _folder_locked(folder: Path) -> Iterator[None]:
    """Wait for another process that migrates a database in the folder; the lock ends with its process.

    SQLite's own waiting is not enough: two that change the journal's mode at once wait for each other, so
    SQLite lets one fail at once, whatever the time-out (https://www.sqlite.org/c3ref/busy_handler.html).
    """
    opened = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(opened, fcntl.LOCK_EX)
        yield
    finally:
        os.close(opened)


def _file(engine: sa.Engine) -> Path | None:
    """The database's file, None on a server."""
    if engine.dialect.name != "sqlite":
        return None
    assert engine.url.database is not None, "read_url refuses databases in memory"
    return Path(engine.url.database)


def _upgrade(connection: sa.Connection, revision: str = "head") -> None:
    from alembic import command  # noqa: PLC0415 -- see above
    from alembic.config import Config  # noqa: PLC0415 -- see above

    config = Config()
    config.set_main_option("script_location", str(_SCRIPTS).replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, revision)


def _all_revisions() -> tuple[str, ...]:
    return tuple(
        sorted(path.name[1:5] for path in (_SCRIPTS / "versions").glob("v[0-9][0-9][0-9][0-9]_*.py"))
    )


def revision_of(connection: sa.Connection) -> str | None:
    """Return the revision that Alembic has noted in the database, None if it is empty."""
    if not sa.inspect(connection).has_table("alembic_version"):
        return None
    found = connection.execute(sa.text("SELECT version_num FROM alembic_version")).scalar()
    return None if found is None else str(found)


def _pending(connection: sa.Connection) -> tuple[str, ...]:
    current = revision_of(connection)
    known = _all_revisions()
    if current is None:
        return known
    if current not in known:
        raise ConfigError(
            f"the database is at schema {current}, which this version of Plangate does not know: "
            "install the version that wrote it, or a newer one"
        )
    return known[known.index(current) + 1 :]


def verify_references(connection: sa.Connection) -> None:
    """SQLite enforces no references while tables are rebuilt, so they are checked before the commit."""
    if connection.dialect.name == "sqlite" and connection.exec_driver_sql("PRAGMA foreign_key_check").first():
        raise PlangateError("the migration was rolled back: it would leave rows that refer to nothing")
