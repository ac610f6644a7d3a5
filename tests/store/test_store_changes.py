"""Changes as last seen, kept."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings

from bot.domain.errors import NotFound
from bot.domain.events import RepoRef
from bot.domain.ids import new_id
from bot.services.ports import ChangeRecord
from bot.store import SqlStore
from tests.store.samples import AT, MINUTE, REPO, change, every


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(every(ChangeRecord))
def test_every_field_comes_back(store: SqlStore, record: ChangeRecord) -> None:
    record = replace(record, id=new_id("cv"))
    with store.transaction() as unit:
        stands = unit.changes.put(record)
        assert replace(stands, id=record.id) == record
    with store.reading() as unit:
        assert unit.changes.get(stands.id) == stands
        assert unit.changes.numbered(record.change.repo, record.change.number) == stands


def test_put_again_keeps_the_id(store: SqlStore) -> None:
    first = change()
    newer = change(change=replace(first.change, head_sha="beef", merged=True), seen_at=AT + MINUTE)
    with store.transaction() as unit:
        assert unit.changes.put(first) == first
        assert unit.changes.put(newer) == replace(newer, id=first.id)
        assert unit.changes.numbered(REPO, 7) == replace(newer, id=first.id)


def test_a_number_belongs_to_its_repository(store: SqlStore) -> None:
    with store.transaction() as unit:
        unit.changes.put(change())
        assert unit.changes.numbered(REPO, 8) is None
        assert unit.changes.numbered(RepoRef("gitlab", REPO.path), 7) is None
        assert unit.changes.numbered(RepoRef(REPO.forge, "acme/other"), 7) is None
        with pytest.raises(NotFound, match="cv-none"):
            unit.changes.get("cv-none")
