"""Secrets stay secret: what lies on the disk is encrypted (promise 6)."""

from __future__ import annotations

import pytest

from bot.domain.errors import PlangateError
from bot.services.ports import ArtifactKind
from bot.store import SqlStore, rekey
from bot.vault import FernetVault, generate_key
from tests.store.conftest import Database
from tests.store.samples import add, delivery, put, run, version


def test_files_states_and_bodies_are_not_on_the_disk(store: SqlStore, database: Database) -> None:
    place = put(store)
    one = add(store, run(place))
    secrets = [f"xyzzy-plugh-{kind.name}" for kind in ArtifactKind]
    with store.transaction() as unit:
        for kind, secret in zip(ArtifactKind, secrets, strict=True):
            unit.artifacts.put(one.id, kind, secret.encode())
        unit.states.add(version(place, 1), b"xyzzy-plugh-STATE")
        unit.states.add(version(place, 2, refused="lineage"), b"xyzzy-plugh-REFUSED")
        unit.deliveries.add(delivery(body=b"xyzzy-plugh-BODY"))
        unit.artifacts.append_output(one.id, "plan", "this is found")
    raw = database.raw()
    assert b"this is found" in raw, "the search finds what is not encrypted"
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


def test_after_rekeying_the_old_key_may_go(database: Database) -> None:
    old, new = generate_key(), generate_key()
    before = SqlStore(database.url, FernetVault([old]))
    place = put(before)
    one, state = add(before, run(place)), version(place, 1)
    with before.transaction() as unit:
        unit.artifacts.put(one.id, ArtifactKind.SAVED_PLAN, b"plan")
        unit.artifacts.put(one.id, ArtifactKind.PLAN_JSON, b"json")
        unit.states.add(state, b"state")
        unit.deliveries.add(delivery(body=b"body"))
    both = FernetVault([new, old])
    assert rekey(database.url, both.rotate) == 4
    assert rekey(database.url, both.rotate) == 4, "again does no harm"
    with SqlStore(database.url, FernetVault([new])).reading() as unit:
        assert unit.artifacts.get(one.id, ArtifactKind.SAVED_PLAN) == b"plan"
        assert unit.artifacts.get(one.id, ArtifactKind.PLAN_JSON) == b"json"
        assert unit.states.data(state.id) == b"state"
        assert unit.deliveries.get("d-1").body == b"body"
    with pytest.raises(PlangateError):
        rekey(database.url, FernetVault([generate_key()]).rotate)
