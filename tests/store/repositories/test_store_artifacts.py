"""Files and output of runs, kept."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bot.domain.errors import NotFound
from bot.services.ports import ArtifactKind
from bot.store import SqlStore
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
