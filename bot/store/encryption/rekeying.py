"""Encrypts all stored data with the newest key, so that an old one can be dropped (promise 6)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, Protocol

import sqlalchemy as sa

from bot.domain.errors import Conflict, PlangateError
from bot.store.connection.engines import READING, WRITING, make_engine
from bot.store.connection.failures import in_our_words
from bot.store.schema import metadata, output

# All binary columns are encrypted, so a new table can't be forgotten here and lost with the old key.
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
    """The operations of a vault on a token that another of its keys may have encrypted."""

    def encrypt(self, data: bytes) -> bytes:
        """Return data encrypted with the first key."""
        ...

    def current(self, token: bytes) -> bool:
        """Whether the first key opens it."""
        ...

    def rotate(self, token: bytes) -> bytes:
        """Return its data encrypted with the first key. Raises PlangateError if no key fits."""
        ...


@dataclass(frozen=True)
class Rekeyed:
    """The number of a table's rows that were encrypted again, were current, or can't be decrypted."""

    table: str
    rotated: int = 0
    current: int = 0
    unreadable: int = 0


def rekey(url: str, vault: Rotates) -> tuple[Rekeyed, ...]:
    """Encrypt all stored tokens with the vault's first key; return the result by table.

    In batches, each in a short transaction of its own, so that servers and workers go on. What they
    write in between is not overwritten. Can be interrupted and run again: finished work is skipped.
    Goes through again until nothing is left to do, for a process with the old key may have written more.
    Raises ConfigError if the URL is malformed, Conflict if such a process goes on writing,
    PlangateError if the database can't be used.
    """
    engine = make_engine(url)
    rotated = dict.fromkeys((column.table.name for column in _ENCRYPTED), 0)
    try:
        with in_our_words():
            rotated[output.name] += _encrypt_old_output(engine, vault)
        for _ in range(_PASSES):
            with in_our_words():
                last = _by_table([_pass(engine, column, vault) for column in _ENCRYPTED])
            if not any(done.rotated for done in last):
                # Rows that were encrypted again are current now.
                return tuple(
                    replace(done, rotated=(n := rotated[done.table]), current=done.current - n)
                    for done in last
                )
            for done in last:
                rotated[done.table] += done.rotated
    finally:
        engine.dispose()
    raise Conflict(
        "a process still writes with an old key: put the new key first in PLANGATE_SECRET_KEY, restart every "
        "web process and worker, then run this again"
    )


def _encrypt_old_output(engine: sa.Engine, vault: Rotates) -> int:
    """Encrypt output that is there from before output was encrypted; return how many pieces."""
    key = list(output.primary_key.columns)
    query = sa.select(*key, output.c.text).where(output.c.data.is_(None)).order_by(*key).limit(_ROWS)
    count = 0
    while True:
        with _begun(engine, WRITING) as connection:
            rows = connection.execute(query).all()
            for *one, text in rows:
                values = {"text": "", "data": vault.encrypt(text.encode())}
                connection.execute(sa.update(output).where(*_is(key, tuple(one))).values(values))
        count += len(rows)
        if len(rows) < _ROWS:
            return count


def _by_table(done: Sequence[Rekeyed]) -> list[Rekeyed]:
    """Add up the results of each table's columns."""
    found = {each.table: Rekeyed(each.table) for each in done}
    for each in done:
        before = found[each.table]
        found[each.table] = replace(
            before,
            rotated=before.rotated + each.rotated,
            current=before.current + each.current,
            unreadable=before.unreadable + each.unreadable,
        )
    return list(found.values())


def _pass(engine: sa.Engine, column: sa.Column[bytes], vault: Rotates) -> Rekeyed:
    """Go through a column once; `rotated` counts the tokens that were not current, overwritten or not."""
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
            if token is not None:  # deleted in the meantime
                yield one, token
        last = keys[-1]


def _keys_after(engine: sa.Engine, key: Sequence[sa.Column[Any]], last: _Key | None) -> list[_Key]:
    query = sa.select(*key).order_by(*key).limit(_ROWS)
    if last is not None:
        query = query.where(sa.tuple_(*key) > sa.tuple_(*map(sa.literal, last)))
    with _begun(engine, READING) as connection:
        return [tuple(row) for row in connection.execute(query)]


def _write(engine: sa.Engine, column: sa.Column[bytes], batch: Sequence[_Change]) -> None:
    """Replace tokens that are still the old ones: newer writes stay."""
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
