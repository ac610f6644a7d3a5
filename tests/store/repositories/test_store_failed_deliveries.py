"""Failed deliveries: how far each webhook's list is known, and what was asked for again."""

from __future__ import annotations

from dataclasses import replace

from bot.domain.events import RepoRef
from bot.services.ports.failed_deliveries import FailedDelivery, HookWatch
from bot.store import SqlStore
from tests.store.samples import AT, MINUTE, delivery

OF_APP, OF_REPO = RepoRef("github", ""), RepoRef("gitlab", "acme/infra")
WATCH = HookWatch(
    OF_APP, AT + MINUTE, AT, AT - MINUTE, "[7]", 2, "github failed (502)", refused=True, begun_at=AT
)
FAILED = FailedDelivery(OF_APP, "d-1", "77", "push", AT, AT + MINUTE)


def test_every_field_of_a_watch_comes_back_and_is_changed(store: SqlStore) -> None:
    changed = replace(
        WATCH, due_at=AT, listed_at=None, mark="", calls=3, error="", refused=False, begun_at=None
    )
    with store.transaction() as unit:
        unit.hook_watches.put(WATCH)
        unit.hook_watches.put(replace(WATCH, repo=OF_REPO))
        assert set(unit.hook_watches.all()) == {WATCH, replace(WATCH, repo=OF_REPO)}
        unit.hook_watches.put(changed)
    with store.reading() as unit:
        assert set(unit.hook_watches.all()) == {changed, replace(WATCH, repo=OF_REPO)}


def test_all_are_made_due_and_none_later_than_it_was(store: SqlStore) -> None:
    with store.transaction() as unit:
        unit.hook_watches.put(WATCH)
        unit.hook_watches.put(replace(WATCH, repo=OF_REPO, due_at=AT - MINUTE))
        unit.hook_watches.all_due(AT)
        assert {watch.due_at for watch in unit.hook_watches.all()} == {AT, AT - MINUTE}
        for name, due in (("d-1", AT + MINUTE), ("d-2", AT - MINUTE), ("d-3", None)):
            unit.failed_deliveries.add(replace(FAILED, id=name, due_at=due))
        for name, asked in (("d-4", AT - MINUTE), ("d-5", AT)):
            unit.failed_deliveries.add(replace(FAILED, id=name, asked_at=asked))
        unit.failed_deliveries.all_due(AT, asked_before=AT)
        found = {each.id: each.due_at for each in unit.failed_deliveries.since(AT)}
        assert found == {"d-1": AT, "d-2": AT - MINUTE, "d-3": None, "d-4": AT, "d-5": AT + MINUTE}


def test_a_failed_delivery_is_stored_once_and_changed(store: SqlStore) -> None:
    asked = replace(
        FAILED, times=1, asked_at=AT + MINUTE, due_at=None, error="no", attempt_id="78", first_asked_at=AT
    )
    with store.transaction() as unit:
        assert unit.failed_deliveries.add(FAILED)
        assert not unit.failed_deliveries.add(replace(FAILED, attempt_id="99"))
        # Another forge's ids are its own.
        assert unit.failed_deliveries.add(replace(FAILED, hook=OF_REPO))
        assert unit.failed_deliveries.due(OF_APP, AT + MINUTE, 9) == [FAILED]
        unit.failed_deliveries.put(asked)
    with store.reading() as unit:
        found = unit.failed_deliveries.since(AT)
        assert set(found) == {asked, replace(FAILED, hook=OF_REPO)}
        assert unit.failed_deliveries.since(AT + MINUTE) == []


def test_what_has_arrived_is_not_due_and_not_stored(store: SqlStore) -> None:
    with store.transaction() as unit:
        assert unit.failed_deliveries.add(FAILED)
        unit.deliveries.add(delivery("d-1"))
        unit.deliveries.add(delivery("d-2"))
        assert unit.failed_deliveries.due(OF_APP, AT + MINUTE, 9) == []
        assert not unit.failed_deliveries.add(replace(FAILED, id="d-2"))
        (found,) = unit.failed_deliveries.since(AT)
        assert found == replace(FAILED, arrived=True)


def test_what_is_due_first_comes_first(store: SqlStore) -> None:
    with store.transaction() as unit:
        for name, due in (("d-1", AT + MINUTE), ("d-2", AT), ("d-3", AT + 2 * MINUTE), ("d-4", None)):
            unit.failed_deliveries.add(replace(FAILED, id=name, due_at=due))
        assert [each.id for each in unit.failed_deliveries.due(OF_APP, AT + MINUTE, 9)] == ["d-2", "d-1"]
        assert [each.id for each in unit.failed_deliveries.due(OF_APP, AT + MINUTE, 1)] == ["d-2"]
        assert unit.failed_deliveries.due(OF_REPO, AT + MINUTE, 9) == []


def test_old_ones_are_given_up_and_then_forgotten(store: SqlStore) -> None:
    with store.transaction() as unit:
        for number in range(3):
            unit.failed_deliveries.add(replace(FAILED, id=f"d-{number}"))
        unit.failed_deliveries.add(replace(FAILED, id="d-9", failed_at=AT + MINUTE))
        unit.deliveries.add(delivery("d-0"))
        assert unit.failed_deliveries.give_up(AT + MINUTE) == 2
        assert unit.failed_deliveries.give_up(AT + MINUTE) == 0
        due = {each.id: each.due_at is not None for each in unit.failed_deliveries.since(AT)}
        assert due == {"d-0": True, "d-1": False, "d-2": False, "d-9": True}
        assert unit.retention.failed_deliveries(AT + MINUTE, 2) == 2
        assert unit.retention.failed_deliveries(AT + MINUTE, 2) == 1
        assert unit.retention.failed_deliveries(AT + MINUTE, 2) == 0
        assert [each.id for each in unit.failed_deliveries.since(AT)] == ["d-9"]


def test_old_watches_are_forgotten(store: SqlStore) -> None:
    with store.transaction() as unit:
        unit.hook_watches.put(WATCH)
        unit.hook_watches.put(replace(WATCH, repo=OF_REPO, checked_at=AT + MINUTE))
        assert unit.retention.hook_watches(AT + MINUTE, 9) == 1
        assert [watch.repo for watch in unit.hook_watches.all()] == [OF_REPO]


def test_what_has_arrived_stays_so_after_its_delivery_is_forgotten(store: SqlStore) -> None:
    with store.transaction() as unit:
        unit.failed_deliveries.add(FAILED)
        # The id of another forge's failed delivery says nothing of ours.
        unit.failed_deliveries.add(replace(FAILED, hook=OF_REPO))
        unit.deliveries.add(delivery("d-1"))
        unit.deliveries.handled("d-1", AT, [])
        assert unit.retention.deliveries(AT + MINUTE, 9) == 1
        assert unit.failed_deliveries.due(OF_APP, AT + MINUTE, 9) == []
        assert [each.arrived for each in unit.failed_deliveries.due(OF_REPO, AT + MINUTE, 9)] == [False]
        assert {each.hook: each.arrived for each in unit.failed_deliveries.since(AT)} == {
            OF_APP: True,
            OF_REPO: False,
        }
        # It is listed again, and asked for no more.
        assert not unit.failed_deliveries.add(FAILED)


def test_when_a_delivery_failed_is_told_of_the_forge_that_sends_it(store: SqlStore) -> None:
    with store.transaction() as unit:
        unit.failed_deliveries.add(replace(FAILED, hook=OF_REPO, failed_at=AT - MINUTE))
        assert unit.failed_deliveries.failed_at("github", "d-1") is None
        unit.failed_deliveries.add(FAILED)
        assert unit.failed_deliveries.failed_at("github", "d-1") == AT
        assert unit.failed_deliveries.failed_at("gitlab", "d-1") == AT - MINUTE
