"""Insert-or-something, which both databases do in one statement and SQLAlchemy spells once for each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite


def _insert(connection: sa.Connection, table: sa.Table) -> postgresql.Insert | sqlite.Insert:
    if connection.dialect.name == "postgresql":
        return postgresql.insert(table)
    return sqlite.insert(table)


def _rows(connection: sa.Connection, statement: sa.Insert, values: Mapping[str, Any] | None = None) -> int:
    """Number of inserted or updated rows; for an insert SQLAlchemy keeps it only if asked to."""
    options = {"preserve_rowcount": True}
    return connection.execute(statement.inline(), values, execution_options=options).rowcount


def insert_once(
    connection: sa.Connection, table: sa.Table, key: Sequence[str], values: Mapping[str, Any]
) -> bool:
    """Insert a row; False if one with the same key is there. Waits for another's insert of it to end."""
    statement = _insert(connection, table).on_conflict_do_nothing(index_elements=key)
    return _rows(connection, statement, values) == 1


def insert_or_update(
    connection: sa.Connection,
    table: sa.Table,
    key: Sequence[str],
    values: Mapping[str, Any] | Sequence[Mapping[str, Any]],
    update: Mapping[str, Any],
    where: sa.ColumnElement[bool] | None = None,
) -> bool:
    """Insert a row, or update the one with the same key; False if `where` forbids the update.

    A sequence of values becomes several rows in one statement; then True means nothing.

    In `update` and `where` the table's columns mean the existing row.
    """
    statement = _insert(connection, table).on_conflict_do_update(
        index_elements=key, set_=dict(update), where=where
    )
    if isinstance(values, Mapping):
        # As parameters, not as a part of the statement: building and comparing statements is what costs.
        return _rows(connection, statement, values) == 1
    return _rows(connection, statement.values(values)) == 1
