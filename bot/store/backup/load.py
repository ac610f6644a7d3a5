"""Reads a backup into an empty database, all of it or nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import IO, Any

import sqlalchemy as sa

from bot.domain.errors import ConfigError, Invalid
from bot.services.ports import Vault
from bot.store.backup.parts import BackupHeader, BackupReader
from bot.store.connection.engines import WRITING, make_engine
from bot.store.connection.failures import in_our_words
from bot.store.connection.migrate import migrate, revision_of, verify_references
from bot.store.schema import metadata


def load(url: str, vault: Vault, file: IO[bytes]) -> tuple[BackupHeader, Mapping[str, int]]:
    """Read a backup into an empty database, which may be of another kind. Return what it was, and its rows.

    Raises ConfigError if the database is not empty or the backup is of another version, and Invalid if the
    backup is damaged. Then nothing is changed, except that the schema is there.
    """
    reader = BackupReader(file, vault)
    migrate(url)
    engine = make_engine(url, foreign_keys=False)
    counts: dict[str, int] = {}
    try:
        with in_our_words(), engine.connect() as bare:
            connection = bare.execution_options(**WRITING[engine.dialect.name])
            with connection.begin():
                _check(connection, reader.header)
                for name, columns, rows in reader.parts():
                    table = metadata.tables.get(name)
                    if table is None or set(columns) != set(table.columns.keys()):
                        raise Invalid(
                            f"the backup has a table {name} that this version does not know like that"
                        )
                    _insert(connection, table, columns, rows)
                    counts[name] = counts.get(name, 0) + len(rows)
                _count_on(connection)
                verify_references(connection)
    finally:
        engine.dispose()
    return reader.header, counts


def _check(connection: sa.Connection, header: BackupHeader) -> None:
    current = revision_of(connection)
    if header.revision != current:
        raise ConfigError(
            f"the backup has the schema {header.revision} of Plangate {header.version}, this version has "
            f"{current}: restore it with that version, and upgrade afterwards"
        )
    for table in metadata.sorted_tables:
        if connection.execute(sa.select(sa.literal(1)).select_from(table).limit(1)).first():
            raise ConfigError(
                f"the database is not empty: its table {table.name} has rows. Restore into a new database"
            )


def _insert(
    connection: sa.Connection, table: sa.Table, columns: Sequence[str], rows: Sequence[Sequence[Any]]
) -> None:
    if rows:
        connection.execute(sa.insert(table), [dict(zip(columns, row, strict=True)) for row in rows])


def _count_on(connection: sa.Connection) -> None:
    """Have PostgreSQL number new rows after the restored ones. SQLite does so by itself."""
    if connection.dialect.name != "postgresql":
        return
    for table in metadata.sorted_tables:
        column = table.autoincrement_column
        if column is None:
            continue
        named = sa.func.pg_get_serial_sequence(table.name, column.name)
        highest = sa.select(sa.func.max(column)).scalar_subquery()
        if connection.execute(sa.select(named)).scalar() is not None:
            connection.execute(
                sa.select(sa.func.setval(named, sa.func.coalesce(highest, 1), highest.is_not(None)))
            )
