"""Upgrades without a stop: processes of the version before can live with the migrated database.

The rule for migrations is in CONTRIBUTING.md: they only add. These tests hold the newest ones to it: the
older schema is what an older process knows, and writes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
import sqlalchemy as sa

from bot.store import SqlStore, migrate
from bot.store.connection import migrate as migrating
from bot.store.connection.engines import make_engine
from bot.vault import FernetVault
from tests.store.conftest import Database
from tests.store.samples import add, put, run, workspace

# Migrations that old processes can't live with, and why. docs/how-to/upgrade.md must tell of each.
BREAKING: dict[str, str] = {}
REVISIONS = migrating._all_revisions()


@dataclass(frozen=True)
class Versions:
    """The schema that an older process knows, and the one after the migration."""

    before: sa.MetaData
    after: sa.MetaData


def versions(database: Database, back: int) -> Versions:
    """Migrate an empty database in two steps, and look at it after each."""
    engine = make_engine(database.url, foreign_keys=False)
    seen = []
    for revision in (REVISIONS[-1 - back], REVISIONS[-1]):
        with migrating._alone(engine) as connection:
            migrating._upgrade(connection, revision)
        found = sa.MetaData()
        found.reflect(engine)
        seen.append(found)
    engine.dispose()
    return Versions(*seen)


@pytest.mark.parametrize("back", [1, 2, 3], ids=["the last", "the last two", "the last three"])
def test_the_newest_migrations_only_add(empty: Database, back: int) -> None:
    if BREAKING.keys() & set(REVISIONS[-back:]):
        pytest.skip("a migration says that it breaks older processes")
    found = versions(empty, back)
    for name, old in found.before.tables.items():
        new = found.after.tables.get(name)
        assert new is not None, f"an older process reads and writes the table {name}"
        for column in old.columns:
            kept = new.columns.get(column.name)
            assert kept is not None, f"an older process names {name}.{column.name}"
            assert kept.type.compile() == column.type.compile(), f"{name}.{column.name}"
            assert kept.nullable or not column.nullable, (
                f"an older process may leave {name}.{column.name} empty"
            )
        for column in new.columns:
            if column.name not in old.columns:
                filled = column.nullable or column.server_default is not None
                assert filled, f"an older process does not know {name}.{column.name}: it needs a default"
        added = _unique(new) - _unique(old)
        assert not {each for each in added if each <= set(old.columns.keys())}, f"a new constraint on {name}"


def _unique(table: sa.Table) -> set[frozenset[str]]:
    constraints = [c.columns for c in table.constraints if isinstance(c, sa.UniqueConstraint)]
    indexes = [index.columns for index in table.indexes if index.unique]
    return {frozenset(column.name for column in each) for each in (*constraints, *indexes)}


def test_an_older_and_a_newer_process_work_side_by_side(empty: Database, vault: FernetVault) -> None:
    old = versions(empty, 1).before
    assert migrate(empty.url) == ()
    newer = SqlStore(empty.url, vault)
    place = put(newer, workspace("network"))
    theirs = add(newer, run(place, plan_only=True))
    engine = make_engine(empty.url)
    runs = old.tables["runs"]
    with engine.begin() as connection:
        # As an older process does: it names only the columns that it knows.
        row: dict[str, Any] = dict(
            connection.execute(sa.select(runs).where(runs.c.id == theirs.id)).mappings().one()
        )
        connection.execute(sa.insert(runs), [{**row, "id": "run-old", "sequence": row["sequence"] + 1}])
        connection.execute(
            sa.update(runs).where(runs.c.id == theirs.id).values(message="as an older process writes it")
        )
        for table in old.tables.values():
            connection.execute(sa.select(table).limit(1)).all()
    with newer.reading() as tx:
        assert tx.runs.get("run-old").workspace_id == place.id
        assert tx.runs.get(theirs.id).message == "as an older process writes it"
    newer.close()
    engine.dispose()


def test_an_older_process_goes_on_and_says_that_the_schema_is_newer(
    empty: Database, vault: FernetVault
) -> None:
    migrate(empty.url)
    engine = make_engine(empty.url)
    with engine.begin() as connection:
        connection.execute(sa.text("UPDATE alembic_version SET version_num = '9999'"))
    store = SqlStore(empty.url, vault)
    assert store.schema().value == "newer"
    place = put(store, workspace("network"))
    with store.reading() as tx:
        assert tx.workspaces.get(place.id).name == "network"
    store.close()
    engine.dispose()
