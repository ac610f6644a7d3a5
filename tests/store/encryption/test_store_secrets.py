"""Secrets stay secret: what lies on the disk is encrypted (promise 6)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor

import pytest

from bot.domain.errors import Conflict, PlangateError
from bot.domain.events import Ignored
from bot.domain.runs.run import Run
from bot.domain.workspaces.variables import StoredVariable, Variable
from bot.services.ports import ArtifactKind, StateVersion
from bot.store import SqlStore, rekey
from bot.store.encryption import rekeying
from bot.store.encryption.rekeying import Rekeyed
from bot.vault import FernetVault, generate_key
from tests.store.conftest import Database
from tests.store.samples import AT, add, delivery, put, run, version


def test_files_states_and_bodies_are_not_on_the_disk(store: SqlStore, database: Database) -> None:
    place = put(store)
    one = add(store, run(place))
    secrets = [f"xyzzy-plugh-{kind.name}" for kind in ArtifactKind]
    with store.transaction() as unit:
        for kind, secret in zip(ArtifactKind, secrets, strict=True):
            unit.artifacts.put(one.id, kind, secret.encode())
        unit.states.add(version(place, 1), b"xyzzy-plugh-STATE")
        unit.states.add(version(place, 2, refused="lineage"), b"xyzzy-plugh-REFUSED")
        unit.deliveries.add(delivery(body=b"xyzzy-plugh-BODY", meaning=Ignored("xyzzy-plugh-MEANING")))
        for name, sensitive in (("SENSITIVE", True), ("PLAIN", False)):
            variable = Variable(name, f"xyzzy-plugh-{name}", sensitive=sensitive)
            unit.variables.put(StoredVariable(f"var-{name}", variable, "ann", AT), workspace_id=place.id)
        unit.artifacts.append_output(one.id, "plan", "xyzzy-plugh-OUTPUT")
    raw = database.raw()
    assert place.name.encode() in raw, "the search finds what is not encrypted"
    for secret in (*secrets, "xyzzy-plugh-STATE", "xyzzy-plugh-REFUSED", "xyzzy-plugh-BODY", "xyzzy-plugh"):
        assert secret.encode() not in raw
        assert secret.encode().hex().encode() not in raw


def test_another_vault_reads_nothing(store: SqlStore, database: Database) -> None:
    one = add(store, run(put(store)))
    with store.transaction() as unit:
        unit.artifacts.put(one.id, ArtifactKind.SAVED_PLAN, b"plan")
    stranger = SqlStore(database.url, FernetVault([generate_key()]))
    with pytest.raises(PlangateError, match="none of the encryption keys"), stranger.reading() as unit:
        unit.artifacts.get(one.id, ArtifactKind.SAVED_PLAN)
    stranger.close()


def _counts(done: Iterable[Rekeyed]) -> dict[str, tuple[int, int, int]]:
    """What became of the tables that have any rows."""
    counts = {one.table: (one.rotated, one.current, one.unreadable) for one in done}
    return {table: count for table, count in counts.items() if any(count)}


def _fill(store: SqlStore) -> tuple[Run, StateVersion]:
    place = put(store)
    one, state = add(store, run(place)), version(place, 1)
    with store.transaction() as unit:
        unit.artifacts.put(one.id, ArtifactKind.SAVED_PLAN, b"plan")
        unit.artifacts.put(one.id, ArtifactKind.PLAN_JSON, b"json")
        unit.states.add(state, b"state")
        unit.deliveries.add(delivery(body=b"body", meaning=Ignored("meaning")))
        kept = StoredVariable("var-1", Variable("region", "eu"), "ann", AT)
        unit.variables.put(kept, workspace_id=place.id)
    return one, state


def test_after_rekeying_the_old_key_may_go(database: Database) -> None:
    old, new = generate_key(), generate_key()
    before = SqlStore(database.url, FernetVault([old]))
    root = before.root()
    one, state = _fill(before)
    both = FernetVault([new, old])
    wanted = {"artifacts": 2, "deliveries": 2, "roots": 1, "state_versions": 1, "variables": 1}
    done = _counts(rekey(database.url, both))
    assert done == {table: (count, 0, 0) for table, count in wanted.items()}
    again = _counts(rekey(database.url, both))
    assert again == {table: (0, count, 0) for table, count in wanted.items()}, "finished work is skipped"
    after = SqlStore(database.url, FernetVault([new]))
    with after.reading() as unit:
        assert unit.artifacts.get(one.id, ArtifactKind.SAVED_PLAN) == b"plan"
        assert unit.artifacts.get(one.id, ArtifactKind.PLAN_JSON) == b"json"
        assert unit.states.data(state.id) == b"state"
        assert unit.deliveries.get("d-1") == delivery(body=b"body", meaning=Ignored("meaning"))
        assert unit.variables.of_workspace(one.workspace_id)[0].variable.value == "eu"
    assert after.root() == root
    before.close()
    after.close()


def test_what_no_key_opens_is_counted_and_left_alone(database: Database) -> None:
    strange = SqlStore(database.url, FernetVault([generate_key()]))
    one, _ = _fill(strange)
    done = _counts(rekey(database.url, FernetVault([generate_key(), generate_key()])))
    assert done["artifacts"] == (0, 0, 2)
    with strange.reading() as unit:
        assert unit.artifacts.get(one.id, ArtifactKind.SAVED_PLAN) == b"plan"
    strange.close()


def test_rekeying_goes_through_many_rows_in_batches(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rekeying, "_ROWS", 3)
    old, new = generate_key(), generate_key()
    before = SqlStore(database.url, FernetVault([old]))
    with before.transaction() as unit:
        for number in range(10):
            unit.deliveries.add(delivery(f"d-{number}", body=b"%d" % number))
    assert _counts(rekey(database.url, FernetVault([new, old])))["deliveries"] == (10, 0, 0)
    with SqlStore(database.url, FernetVault([new])).reading() as unit:
        assert [unit.deliveries.get(f"d-{number}").body for number in range(10)] == [
            b"%d" % number for number in range(10)
        ]
    before.close()


class _Meddling(FernetVault):
    """Has somebody else write a row between its being read and its being written anew."""

    meddle: Callable[[], None]

    def rotate(self, token: bytes) -> bytes:
        self.meddle()
        return super().rotate(token)


def test_what_is_written_meanwhile_is_not_overwritten(database: Database) -> None:
    old, new = generate_key(), generate_key()
    before = SqlStore(database.url, FernetVault([old]))
    one, _ = _fill(before)
    running = SqlStore(database.url, FernetVault([new, old]))
    vault = _Meddling([new, old])

    def meddle() -> None:
        with running.transaction() as unit:
            unit.artifacts.put(one.id, ArtifactKind.SAVED_PLAN, b"a newer plan")

    vault.meddle = meddle
    rekey(database.url, vault)
    with SqlStore(database.url, FernetVault([new])).reading() as unit:
        assert unit.artifacts.get(one.id, ArtifactKind.SAVED_PLAN) == b"a newer plan"
    before.close()
    running.close()


def test_a_process_that_goes_on_with_the_old_key_is_told_of(database: Database) -> None:
    old, new = generate_key(), generate_key()
    before = SqlStore(database.url, FernetVault([old]))
    one, _ = _fill(before)
    vault = _Meddling([new, old])

    def meddle() -> None:
        with before.transaction() as unit:
            unit.artifacts.put(one.id, ArtifactKind.SAVED_PLAN, b"written with the old key")

    vault.meddle = meddle
    with pytest.raises(Conflict, match="restart every web process and worker"):
        rekey(database.url, vault)
    before.close()


def test_a_database_has_one_root_whoever_asks_first(database: Database) -> None:
    key = generate_key()
    stores = [SqlStore(database.url, FernetVault([key])) for _ in range(4)]
    with ThreadPoolExecutor() as pool:
        found = set(pool.map(SqlStore.root, stores))
    assert len(found) == 1
    assert len(found.pop()) == 32
    for store in stores:
        store.close()


def test_derived_keys_outlive_every_encryption_key(database: Database) -> None:
    old, new = generate_key(), generate_key()

    def derived(*keys: str) -> bytes:
        store = SqlStore(database.url, FernetVault(keys))
        try:
            return FernetVault(keys, root=store.root).key("comment marker")
        finally:
            store.close()

    before = derived(old)
    assert derived(new, old) == before
    rekey(database.url, FernetVault([new, old]))
    assert derived(new) == before
    with pytest.raises(PlangateError, match="none of the encryption keys fits"):
        derived(old)
