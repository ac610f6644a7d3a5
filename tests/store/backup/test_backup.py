"""A backup is whole, consistent and encrypted, and goes back into an empty database of either kind."""

from __future__ import annotations

import io
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from bot.domain.errors import ConfigError, Invalid, PlangateError
from bot.services.ports import ArtifactKind
from bot.store import SqlStore, migrate
from bot.store.backup import dump, load
from bot.store.connection.engines import make_engine
from bot.store.schema import metadata
from bot.vault import FernetVault, generate_key
from tests.store.conftest import Database
from tests.store.samples import add, change, delivery, put, run, version, workspace

NOW = datetime(2026, 1, 31, 9, 15, tzinfo=UTC)
STATE = b'{"version": 4, "secret": "hunter2-in-the-state"}'


def filled(store: SqlStore) -> str:
    """Put rows of many kinds; return the workspace's id."""
    place = put(store, workspace("network", tags=("prod", "ünï")))
    found = add(store, run(place, message="a \x00 and \ud800"))
    with store.transaction() as tx:
        tx.artifacts.put(found.id, ArtifactKind.SAVED_PLAN, bytes(range(256)))
        tx.states.add(version(place, 1), STATE)
        tx.changes.put(change())
        tx.posts.mark_due(NOW, "change:1")
    for number in range(450):
        store.accept(delivery(f"d-{number}", body=b"\x00\xff" * number))
    return place.id


def rows(url: str) -> dict[str, list[Any]]:
    """Every row, as values that are equal on both databases."""
    engine = make_engine(url)
    with engine.connect() as connection:
        found = {
            table.name: [
                tuple(row) for row in connection.execute(sa.select(table).order_by(*table.primary_key))
            ]
            for table in metadata.sorted_tables
        }
    engine.dispose()
    return found


def backed_up(url: str, vault: FernetVault) -> bytes:
    out = io.BytesIO()
    dump(url, vault, out, "1.2.3", NOW)
    return out.getvalue()


def empty_at(path: Path) -> str:
    return f"sqlite:///{path / 'elsewhere' / 'plangate.db'}"


def test_a_backup_restores_every_row_into_an_empty_database(
    store: SqlStore, database: Database, vault: FernetVault, tmp_path: Path, empty: Database
) -> None:
    place = filled(store)
    data = backed_up(database.url, vault)

    header, counts = load(empty.url, vault, io.BytesIO(data))

    assert (header.version, header.at) == ("1.2.3", NOW)
    assert counts["deliveries"] == 450
    assert rows(empty.url) == rows(database.url)
    again = SqlStore(empty.url, vault)
    with again.reading() as tx:
        current = tx.states.current(place)
        assert current is not None
        assert tx.states.data(current.id) == STATE
    # New rows are numbered after the restored ones.
    add(again, run(workspace("network", id=place), plan_only=True))
    again.close()


def test_a_backup_goes_into_a_database_of_the_other_kind(
    store: SqlStore, database: Database, vault: FernetVault, tmp_path: Path
) -> None:
    filled(store)
    target = empty_at(tmp_path)
    load(target, vault, io.BytesIO(backed_up(database.url, vault)))
    assert rows(target) == rows(database.url)


def test_nothing_in_a_backup_can_be_read_without_the_key(
    store: SqlStore, database: Database, vault: FernetVault, tmp_path: Path
) -> None:
    filled(store)
    data = backed_up(database.url, vault)
    for word in (b"hunter2", b"network", b"deliveries", b"Add a bucket"):
        assert word not in data
    with pytest.raises(PlangateError, match="can't be decrypted"):
        load(empty_at(tmp_path), FernetVault([generate_key()]), io.BytesIO(data))
    rotated = FernetVault([generate_key()])
    assert rotated.decrypt(rotated.encrypt(b"x")) == b"x"


def test_a_backup_is_of_one_moment(
    store: SqlStore, database: Database, vault: FernetVault, tmp_path: Path
) -> None:
    filled(store)

    class Meanwhile(io.BytesIO):
        """Has somebody write while the backup is made."""

        written = False

        def write(self, data: Any) -> int:
            if not self.written and self.tell() > 100:
                self.written = True
                store.accept(delivery("d-new"))
            return super().write(data)

    out = Meanwhile()
    dump(database.url, vault, out, "1", NOW)
    assert out.written
    load(empty_at(tmp_path), vault, io.BytesIO(out.getvalue()))
    with SqlStore(empty_at(tmp_path), vault).reading() as tx:
        assert tx.backlog.deliveries().count == 450


def _without(number: int) -> Callable[[list[bytes]], list[bytes]]:
    return lambda lines: lines[:number] + lines[number + 1 :]


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda lines: [], "not a backup"),
        (lambda lines: lines[:1], "cut off"),
        (lambda lines: lines[:-1], "cut off"),
        (_without(2), "missing"),
        (lambda lines: [lines[0], lines[1], lines[3], lines[2], *lines[4:]], "missing"),
        (lambda lines: [*lines, lines[-1]], "does not fit"),
        (lambda lines: [*lines[:2], b"A" + lines[2][1:], *lines[3:]], "decrypted"),
        (lambda lines: [b"plangate backup 2\n", *lines[1:]], "not a backup"),
    ],
    ids=[
        "empty",
        "a header alone",
        "without its end",
        "a part less",
        "exchanged",
        "more",
        "changed",
        "newer",
    ],
)
def test_a_damaged_backup_is_refused_and_nothing_is_restored(
    damage: Callable[[list[bytes]], list[bytes]], said: str, tmp_path: Path, vault: FernetVault
) -> None:
    source = f"sqlite:///{tmp_path / 'plangate.db'}"
    migrate(source)
    store = SqlStore(source, vault)
    filled(store)
    lines = backed_up(source, vault).splitlines(keepends=True)
    with pytest.raises(PlangateError, match=said):
        load(empty_at(tmp_path), vault, io.BytesIO(b"".join(damage(lines))))
    migrate(empty_at(tmp_path))
    assert not any(rows(empty_at(tmp_path)).values())


def test_parts_of_two_backups_do_not_mix(tmp_path: Path, vault: FernetVault) -> None:
    source = f"sqlite:///{tmp_path / 'plangate.db'}"
    migrate(source)
    filled(SqlStore(source, vault))
    one, other = (backed_up(source, vault).splitlines(keepends=True) for _ in range(2))
    with pytest.raises(Invalid, match="another backup"):
        load(empty_at(tmp_path), vault, io.BytesIO(b"".join([*one[:3], *other[3:]])))


def test_a_database_with_rows_is_never_overwritten(
    store: SqlStore, database: Database, vault: FernetVault
) -> None:
    filled(store)
    before = rows(database.url)
    with pytest.raises(ConfigError, match="not empty"):
        load(database.url, vault, io.BytesIO(backed_up(database.url, vault)))
    assert rows(database.url) == before


def test_a_backup_of_another_schema_says_which_version_restores_it(
    tmp_path: Path, vault: FernetVault
) -> None:
    source = f"sqlite:///{tmp_path / 'plangate.db'}"
    migrate(source)
    data = backed_up(source, vault).splitlines(keepends=True)
    from bot.store.backup.parts import MAGIC, BackupHeader, BackupWriter  # noqa: PLC0415 -- only here

    assert data[0] == MAGIC
    out = io.BytesIO()
    writer = BackupWriter(out, vault)
    writer.begin(BackupHeader("0042", "0.0.7", NOW))
    writer.end({})
    with pytest.raises(ConfigError, match=r"schema 0042 of Plangate 0\.0\.7"):
        load(empty_at(tmp_path), vault, io.BytesIO(out.getvalue()))
