"""Encrypting everything stored with the newest key, so that an old one can be dropped (promise 6)."""

from __future__ import annotations

from collections.abc import Callable

import sqlalchemy as sa

from bot.store.engines import make_engine
from bot.store.failures import in_our_words
from bot.store.schema import metadata

# Whatever is binary is encrypted: a new table's bytes can't be forgotten here, and lost with the old key.
_ENCRYPTED = [
    column
    for table in metadata.sorted_tables
    for column in table.columns
    if isinstance(column.type, sa.LargeBinary)
]


def rekey(url: str, rotate: Callable[[bytes], bytes]) -> int:
    """Replace every stored token by what `rotate` makes of it; return how many there were.

    A row at a time, each in a transaction of its own, so that servers and workers go on meanwhile; may be cut
    off and begun again. Raises PlangateError where no key fits, ConfigError where the URL is malformed.
    """
    engine = make_engine(url)
    try:
        with in_our_words():
            return sum(_rekey_column(engine, column, rotate) for column in _ENCRYPTED)
    finally:
        engine.dispose()


def _rekey_column(engine: sa.Engine, column: sa.Column[bytes], rotate: Callable[[bytes], bytes]) -> int:
    key = column.table.primary_key.columns
    with engine.begin() as connection:
        rows = connection.execute(sa.select(*key)).all()
    for row in rows:
        same = sa.and_(*(part == value for part, value in zip(key, row, strict=True)))
        with engine.begin() as connection:
            token = connection.execute(sa.select(column).where(same).with_for_update()).scalar_one_or_none()
            if token is not None:  # gone meanwhile
                statement = sa.update(column.table).where(same).values({column: rotate(token)})
                connection.execute(statement)
    return len(rows)
