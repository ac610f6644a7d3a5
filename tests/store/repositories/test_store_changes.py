"""Changes as last seen, kept."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import count

import pytest
from hypothesis import HealthCheck, given, settings

from bot.domain.errors import Conflict, NotFound
from bot.domain.events import RepoRef
from bot.domain.ids import new_id
from bot.services.ports import ChangeRecord
from bot.store import SqlStore
from tests.store.racing import in_threads
from tests.store.samples import AT, MINUTE, REPO, change, every

NUMBERS = count(1)


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(every(ChangeRecord))
def test_every_field_comes_back(store: SqlStore, record: ChangeRecord) -> None:
    # Of one change only what was seen later is kept: each has a number of its own.
    record = replace(record, id=new_id("cv"), change=replace(record.change, number=next(NUMBERS)))
    with store.transaction() as unit:
        stands = unit.changes.put(record)
        if record.approvals is not None:
            unit.changes.keep_approvals(stands.id, record.approvals)
            stands = unit.changes.put(stands)
        assert replace(stands, id=record.id) == record, "what is kept of approvals outlives a later answer"
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


def test_what_the_forge_said_earlier_never_takes_the_place_of_what_it_said_later(store: SqlStore) -> None:
    older = change()
    newer = replace(older, change=replace(older.change, head_sha="beef"), seen_at=AT + MINUTE)

    def keep(record: ChangeRecord) -> Callable[[], None]:
        def racer() -> None:
            with store.transaction() as unit:
                unit.changes.numbered(REPO, 7)
                unit.changes.put(record)

        return racer

    for _ in range(5):
        results = in_threads([keep(older), keep(newer)])
        assert all(each is None or isinstance(each, Conflict) for each in results)
        with store.reading() as unit:
            stands = unit.changes.numbered(REPO, 7)
        assert stands is not None
        assert stands.change.head_sha == "beef"


def test_a_number_belongs_to_its_repository(store: SqlStore) -> None:
    with store.transaction() as unit:
        unit.changes.put(change())
        assert unit.changes.numbered(REPO, 8) is None
        assert unit.changes.numbered(RepoRef("gitlab", REPO.path), 7) is None
        assert unit.changes.numbered(RepoRef(REPO.forge, "acme/other"), 7) is None
        with pytest.raises(NotFound, match="cv-none"):
            unit.changes.get("cv-none")
