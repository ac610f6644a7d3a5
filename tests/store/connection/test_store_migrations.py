"""The schema's history: from nothing to exactly the tables of the code, by whoever starts first."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from bot.domain.errors import ConfigError, PlangateError, StoreUnavailable
from bot.store import SqlStore, migrate, pending
from bot.store.connection import engines
from bot.store.migrations import versions
from bot.store.schema import metadata
from bot.vault import FernetVault
from tests.store.conftest import Database
from tests.store.racing import in_processes
from tests.store.samples import put

ALL = tuple(sorted(path.stem[1:5] for path in Path(versions.__file__).parent.glob("v[0-9]*.py")))


def _reflected(about: sa.Inspector, table: str) -> dict[str, Sequence[Any]]:
    return {
        "column": [{**column, "type": repr(column["type"])} for column in about.get_columns(table)],
        "primary key": [about.get_pk_constraint(table)],
        "foreign key": about.get_foreign_keys(table),
        "unique": about.get_unique_constraints(table),
        "check": about.get_check_constraints(table),
    }


def _definitions(url: str) -> set[str]:
    """Everything that the database itself says of its tables, columns, keys and indexes."""
    engine = engines.make_engine(url)
    with engine.connect() as connection:
        about = sa.inspect(connection)
        found = {
            f"{kind} of {table}: {sorted(thing.items(), key=str)}"
            for table in about.get_table_names()
            for kind, things in _reflected(about, table).items()
            for thing in things
        }
        # Reflection leaves out an index's condition, which is where promises are kept.
        conditions = {
            "sqlite": "SELECT sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL",
            "postgresql": "SELECT indexdef FROM pg_indexes WHERE schemaname = 'public'",
        }
        found.update(connection.execute(sa.text(conditions[engine.dialect.name])).scalars())
    engine.dispose()
    return {text for text in found if "alembic_version" not in text}


def test_migrations_make_exactly_the_schema_of_the_code(database: Database, empty: Database) -> None:
    engine = engines.make_engine(database.url)
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []
    engine.dispose()
    other = Database(empty.url + "2", Path(f"{empty.file}2")) if empty.file else empty
    engine = engines.make_engine(other.url)
    metadata.create_all(engine)
    engine.dispose()
    assert _definitions(database.url) == _definitions(other.url)
    holder = [text for text in _definitions(database.url) if "uq_runs_holder" in text and "WHERE" in text]
    assert len(holder) == 1


def test_the_names_of_the_files_are_the_revisions_in_their_order(tmp_path: Path) -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(versions.__file__).parents[1]))
    walked = [script.revision for script in ScriptDirectory.from_config(config).walk_revisions()]
    assert list(reversed(walked)) == list(pending(f"sqlite:///{tmp_path / 'none.sqlite'}"))


def test_from_nothing_and_once(empty: Database, vault: FernetVault) -> None:
    assert pending(empty.url) == ALL
    assert migrate(empty.url) == ALL
    assert pending(empty.url) == ()
    put(SqlStore(empty.url, vault))
    assert migrate(empty.url) == ()
    with SqlStore(empty.url, vault).reading() as unit:
        assert [place.name for place in unit.workspaces.all()] == ["network"]


def test_looking_makes_no_database(tmp_path: Path) -> None:
    assert pending(f"sqlite:///{tmp_path}/deep/plangate.sqlite") == ALL
    assert list(tmp_path.iterdir()) == []


def test_the_file_is_made_with_its_folder_and_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "er" / "plangate.sqlite"
    migrate(f"sqlite:///{path}")
    assert path.stat().st_mode & 0o077 == 0


def test_several_that_start_at_once(empty: Database) -> None:
    results = in_processes([lambda: migrate(empty.url)] * 4)
    assert Counter(results) == {ALL: 1, (): 3}
    assert pending(empty.url) == ()


def test_all_or_nothing(empty: Database) -> None:
    engine = engines.make_engine(empty.url)
    with engine.begin() as connection:
        connection.execute(sa.text("CREATE TABLE state_locks (something INTEGER)"))  # what comes last
    with pytest.raises((PlangateError, sa.exc.ProgrammingError), match="state_locks"):
        migrate(empty.url)
    with engine.connect() as connection:
        assert sa.inspect(connection).get_table_names() == ["state_locks"]
    engine.dispose()
    assert pending(empty.url) == ALL


def test_a_newer_database_is_left_alone(empty: Database) -> None:
    migrate(empty.url)
    engine = engines.make_engine(empty.url)
    with engine.begin() as connection:
        connection.execute(sa.text("UPDATE alembic_version SET version_num = '9999'"))
    engine.dispose()
    for use in (migrate, pending):
        with pytest.raises(ConfigError, match="schema 9999, which this version of Plangate does not know"):
            use(empty.url)


def test_sqlite_is_set_to_lose_nothing(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/plangate.sqlite"
    migrate(url)
    engine = engines.make_engine(url)
    with engine.connect().execution_options(**engines.READING["sqlite"]) as connection:
        settings = {
            name: connection.exec_driver_sql(f"PRAGMA {name}").scalar_one()
            for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
        }
    engine.dispose()
    full = 2
    assert settings == {
        "journal_mode": "wal",
        "synchronous": full,
        "foreign_keys": 1,
        "busy_timeout": 30_000,
    }


def test_a_database_that_was_never_migrated_says_so(empty: Database, vault: FernetVault) -> None:
    refused = pytest.raises(StoreUnavailable, match="run `plangate migrate`")
    with refused, SqlStore(empty.url, vault).reading() as tx:
        tx.workspaces.all()
