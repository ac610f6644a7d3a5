"""Files and output of runs, kept."""

from __future__ import annotations

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bot.domain.errors import NotFound
from bot.services.ports import ArtifactKind
from bot.store import SqlStore, rekey
from bot.store.connection import engines
from bot.store.schema import output
from bot.vault import FernetVault
from tests.store.conftest import Database
from tests.store.samples import add, put, run


@pytest.mark.parametrize("kind_of_file", ArtifactKind)
def test_a_file_is_kept_and_replaced(store: SqlStore, kind_of_file: ArtifactKind) -> None:
    one = add(store, run(put(store)))
    with store.transaction() as unit:
        assert unit.artifacts.get(one.id, kind_of_file) is None
        unit.artifacts.put(one.id, kind_of_file, bytes(range(256)))
        assert unit.artifacts.get(one.id, kind_of_file) == bytes(range(256))
        unit.artifacts.put(one.id, kind_of_file, b"")
    with store.reading() as unit:
        kept = {kind: unit.artifacts.get(one.id, kind) for kind in ArtifactKind}
    assert kept == {kind: b"" if kind is kind_of_file else None for kind in ArtifactKind}


def test_a_file_or_output_of_no_run_is_refused(store: SqlStore) -> None:
    with pytest.raises(NotFound), store.transaction() as unit:
        unit.artifacts.put("run-none", ArtifactKind.SAVED_PLAN, b"x")
    with pytest.raises(NotFound), store.transaction() as unit:
        unit.artifacts.append_output("run-none", "plan", "x")


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.text(max_size=5), max_size=8), st.integers(0, 45))
def test_output_reads_on_from_any_character(store: SqlStore, pieces: list[str], offset: int) -> None:
    one = add(store, run(put(store)))
    with store.transaction() as unit:
        for piece in pieces:
            unit.artifacts.append_output(one.id, "plan", piece)
            unit.artifacts.append_output(one.id, "apply", "another stage")
    whole = "".join(pieces)
    with store.reading() as unit:
        kept = unit.artifacts.output(one.id, "plan")
        assert len(kept) == len(whole)
        assert all(a == b or a == "\ufffd" for a, b in zip(kept, whole, strict=True))
        assert unit.artifacts.output(one.id, "plan", offset) == kept[offset:]
        assert unit.artifacts.output(one.id, "plan", offset, 7) == kept[offset : offset + 7]


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.text("a\n", max_size=5), max_size=8), st.integers(0, 12))
def test_the_end_of_an_output_has_the_lines_that_are_asked_for(
    store: SqlStore, pieces: list[str], lines: int
) -> None:
    one = add(store, run(put(store)))
    with store.transaction() as unit:
        for piece in pieces:
            unit.artifacts.append_output(one.id, "plan", piece)
    whole = "".join(pieces)
    with store.reading() as unit:
        end = unit.artifacts.output_end(one.id, "plan", lines)
    assert end.text == whole[end.offset :]
    assert end.lines == whole[: end.offset].count("\n")
    assert end.text.count("\n") >= min(lines, whole.count("\n"))


def test_the_end_of_an_output_of_an_earlier_version_is_all_of_it(database: Database, store: SqlStore) -> None:
    one = add(store, run(put(store)))
    with store.transaction() as unit:
        for piece in ("one\n", "two\n", "three\n"):
            unit.artifacts.append_output(one.id, "plan", piece)
    engine = engines.make_engine(database.url)
    with engine.begin() as connection:
        connection.execute(sa.update(output).where(output.c.begin == 4).values(line_ends=None))
    engine.dispose()
    with store.reading() as unit:
        assert unit.artifacts.output_end(one.id, "plan", 1).text == "one\ntwo\nthree\n"


def test_output_follows_from_what_was_read(store: SqlStore) -> None:
    one = add(store, run(put(store)))
    seen = ""
    for piece in ("Init… 🎉\n", "Plan: 1 to add\n"):
        with store.transaction() as unit:
            unit.artifacts.append_output(one.id, "plan", piece)
        with store.reading() as unit:
            more = unit.artifacts.output(one.id, "plan", len(seen))
        assert more == piece
        seen += more


def test_cleared_output_begins_again(store: SqlStore) -> None:
    one = add(store, run(put(store)))
    with store.transaction() as unit:
        unit.artifacts.append_output(one.id, "plan", "first try")
        unit.artifacts.append_output(one.id, "apply", "stays")
        unit.artifacts.clear_output(one.id, "plan")
        assert unit.artifacts.output(one.id, "plan") == ""
        unit.artifacts.append_output(one.id, "plan", "second")
    with store.reading() as unit:
        assert unit.artifacts.output(one.id, "plan") == "second"
        assert unit.artifacts.output(one.id, "apply") == "stays"


def test_output_is_encrypted_at_rest_and_old_output_stays_readable(
    database: Database, store: SqlStore, vault: FernetVault
) -> None:
    one = add(store, run(put(store)))
    with store.transaction() as unit:
        unit.artifacts.append_output(one.id, "plan", "xyzzy-plugh ü\n")
    engine = engines.make_engine(database.url)
    with engine.begin() as connection:
        [row] = connection.execute(sa.select(output)).all()
        assert "xyzzy" not in row.text
        assert b"xyzzy" not in row.data
        # As a version before has written it.
        old = {"run_id": one.id, "stage": "plan", "begin": row.length, "length": 4, "text": "old\n"}
        connection.execute(sa.insert(output).values(old))
    with store.reading() as unit:
        assert unit.artifacts.output(one.id, "plan") == "xyzzy-plugh ü\nold\n"
        assert unit.artifacts.output(one.id, "plan", row.length) == "old\n"
    done = {each.table: each for each in rekey(database.url, vault)}
    assert (done["output"].rotated, done["output"].current) == (1, 1)
    with engine.connect() as connection:
        assert set(connection.execute(sa.select(output.c.text)).scalars()) == {""}
    engine.dispose()
    with store.reading() as unit:
        assert unit.artifacts.output(one.id, "plan") == "xyzzy-plugh ü\nold\n"
