"""Encrypting everything stored with the newest key, so that an old one can be dropped (promise 6)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, Protocol

import sqlalchemy as sa

from bot.domain.errors import Conflict, PlangateError
from bot.store.engines import READING, WRITING, make_engine
from bot.store.failures import in_our_words
from bot.store.schema import metadata

# Whatever is binary is encrypted: a new table's bytes can't be forgotten here, and lost with the old key.
_ENCRYPTED = [
    column
    for table in metadata.sorted_tables
    for column in table.columns
    if isinstance(column.type, sa.LargeBinary)
]
# How much is written in one transaction: others wait for no more than that.
_ROWS = 100
_BYTES = 4_000_000
_PASSES = 5

_Key = tuple[Any, ...]
_Change = tuple[_Key, bytes, bytes]


class Rotates(Protocol):
    """What a vault can do with a token that another of its keys may have made."""

    def current(self, token: bytes) -> bool:
        """Whether the first key opens it."""
        ...

    def rotate(self, token: bytes) -> bytes:
        """Return its data encrypted with the first key. Raises PlangateError where no key fits."""
        ...


@dataclass(frozen=True)
class Rekeyed:
    """What became of a table's rows: encrypted anew, left as they were, or closed to every key."""

    table: str
    rotated: int = 0
    current: int = 0
    unreadable: int = 0


def rekey(url: str, vault: Rotates) -> tuple[Rekeyed, ...]:
    """Encrypt every stored token anew that the vault's first key does not open; return what was done.

    In batches, each in a short transaction of its own, so that servers and workers go on meanwhile. What was
    written in between is not overwritten. May be cut off and begun again: what is done is passed over.
    Goes through again until nothing is left to do, for a process with the old key may have written more.
    Raises ConfigError where the URL is malformed, Conflict where such a process goes on writing,
    PlangateError where the database can't be used.
    """
    engine = make_engine(url)
    rotated = dict.fromkeys((column.table.name for column in _ENCRYPTED), 0)
    try:
        for _ in range(_PASSES):
            with in_our_words():
                last = [_pass(engine, column, vault) for column in _ENCRYPTED]
            if not any(done.rotated for done in last):
                # What was encrypted anew is current by now.
                return tuple(
                    replace(done, rotated=(n := rotated[done.table]), current=done.current - n)
                    for done in last
                )
            for done in last:
                rotated[done.table] += done.rotated
    finally:
        engine.dispose()
    raise Conflict(
        "something still writes with an old key: restart every web process and worker with the new key first "
        "in PLANGATE_SECRET_KEY, and then do this again"
    )


def _pass(engine: sa.Engine, column: sa.Column[bytes], vault: Rotates) -> Rekeyed:
    """Go through a column once; `rotated` counts what was not current, written over or not."""
    done = Rekeyed(column.table.name)
    batch: list[_Change] = []
    for key, token in _tokens(engine, column):
        if vault.current(token):
            done = replace(done, current=done.current + 1)
            continue
        try:
            batch.append((key, token, vault.rotate(token)))
        except PlangateError:
            done = replace(done, unreadable=done.unreadable + 1)
            continue
        done = replace(done, rotated=done.rotated + 1)
        if len(batch) >= _ROWS or sum(len(new) for _, _, new in batch) >= _BYTES:
            _write(engine, column, batch)
            batch = []
    _write(engine, column, batch)
    return done


def _tokens(engine: sa.Engine, column: sa.Column[bytes]) -> Iterator[tuple[_Key, bytes]]:
    """Return every row's key and token, read a row at a time: states are large."""
    key = list(column.table.primary_key.columns)
    last: _Key | None = None
    while keys := _keys_after(engine, key, last):
        for one in keys:
            with _begun(engine, READING) as connection:
                token = connection.execute(sa.select(column).where(*_is(key, one))).scalar_one_or_none()
            if token is not None:  # gone meanwhile
                yield one, token
        last = keys[-1]


def _keys_after(engine: sa.Engine, key: Sequence[sa.Column[Any]], last: _Key | None) -> list[_Key]:
    query = sa.select(*key).order_by(*key).limit(_ROWS)
    if last is not None:
        query = query.where(sa.tuple_(*key) > sa.tuple_(*map(sa.literal, last)))
    with _begun(engine, READING) as connection:
        return [tuple(row) for row in connection.execute(query)]


def _write(engine: sa.Engine, column: sa.Column[bytes], batch: Sequence[_Change]) -> None:
    """Put the new tokens where the old ones still are: what was written since stays."""
    key = list(column.table.primary_key.columns)
    with _begun(engine, WRITING) as connection:
        for one, old, new in batch:
            still = [*_is(key, one), column == old]
            connection.execute(sa.update(column.table).where(*still).values({column: new}))


def _is(key: Sequence[sa.Column[Any]], one: _Key) -> list[sa.ColumnElement[bool]]:
    return [part == value for part, value in zip(key, one, strict=True)]


@contextmanager
def _begun(engine: sa.Engine, options: dict[str, dict[str, Any]]) -> Iterator[sa.Connection]:
    with engine.connect() as bare:
        connection = bare.execution_options(**options[engine.dialect.name])
        with connection.begin():
            yield connection
