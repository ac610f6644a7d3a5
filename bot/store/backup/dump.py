"""Writes a backup of one moment, while the servers run."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import IO

import sqlalchemy as sa

from bot.domain.errors import ConfigError
from bot.services.ports import SchemaState, Vault
from bot.store.backup.parts import BackupHeader, BackupWriter
from bot.store.connection.engines import READING, make_engine
from bot.store.connection.failures import in_our_words
from bot.store.connection.migrate import compared, revision_of
from bot.store.schema import metadata

# Rows of one part. Rows with files in them are large: states, plans, uploads.
_AT_ONCE = 200
_LARGE = 5


def dump(url: str, vault: Vault, file: IO[bytes], version: str, now: datetime) -> Mapping[str, int]:
    """Write the whole database, as it is at one moment. Return how many rows each table has.

    Raises ConfigError if the schema is not the one of this program.
    """
    engine = make_engine(url)
    counts: dict[str, int] = {}
    try:
        with in_our_words(), engine.connect() as bare:
            connection = bare.execution_options(**READING[engine.dialect.name])
            with connection.begin():
                if compared(connection) is not SchemaState.CURRENT:
                    raise ConfigError(
                        "the database's schema is not the one of this version: run `plangate migrate`, or "
                        "use the version that the servers have"
                    )
                writer = BackupWriter(file, vault)
                writer.begin(BackupHeader(str(revision_of(connection)), version, now))
                for table in metadata.sorted_tables:
                    if count := _table(connection, table, writer):
                        counts[table.name] = count
                writer.end(counts)
    finally:
        engine.dispose()
    return counts


def _table(connection: sa.Connection, table: sa.Table, writer: BackupWriter) -> int:
    size = _LARGE if any(isinstance(column.type, sa.LargeBinary) for column in table.columns) else _AT_ONCE
    query = sa.select(table).order_by(*table.primary_key.columns)
    names = [column.name for column in table.columns]
    count = 0
    found = connection.execution_options(stream_results=True, yield_per=size).execute(query)
    for rows in found.partitions(size):
        writer.rows(table.name, names, rows)
        count += len(rows)
    return count
