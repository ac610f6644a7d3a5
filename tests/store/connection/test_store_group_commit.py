"""Deliveries that come at the same time go into one transaction, and each is answered as if it were alone."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager

import pytest

from bot.domain.errors import Conflict, StoreUnavailable
from bot.services.ports import Delivery, Transaction
from bot.store import SqlStore
from bot.store.connection.group_commit import GroupCommit
from tests.store.racing import in_threads
from tests.store.samples import delivery


class Door:
    """Begins the store's transactions; the first waits until it is let on. `broken` lets none commit."""

    def __init__(self, store: SqlStore) -> None:
        self.store = store
        self.begun = 0
        self.broken = False
        self.entered = threading.Event()
        self.go_on = threading.Event()

    @contextmanager
    def begin(self) -> Iterator[Transaction]:
        self.begun += 1
        with self.store.transaction() as tx:
            yield tx
            if self.begun == 1:
                self.entered.set()
                assert self.go_on.wait(30)
            if self.broken:
                raise StoreUnavailable("the disk is full")


def crowd(store: SqlStore, *others: Delivery, broken: bool = False) -> tuple[Door, list[Future[bool]]]:
    """Add a delivery, and the others while its transaction is not over yet; return what became of each."""
    door = Door(store)
    together = GroupCommit(door.begin)
    with ThreadPoolExecutor(len(others) + 1) as pool:
        found = [pool.submit(together.add, delivery("first"))]
        assert door.entered.wait(30)
        found += [pool.submit(together.add, other) for other in others]
        while together.waiting < len(others):
            assert not any(each.done() for each in found)
        door.broken = broken
        door.go_on.set()
    return door, found


def stored(store: SqlStore) -> set[str]:
    with store.reading() as tx:
        return {record.id for record in tx.deliveries.recent(99)}


def test_those_that_come_while_one_is_stored_share_the_next_transaction(store: SqlStore) -> None:
    door, found = crowd(store, *(delivery(f"d-{number}") for number in range(5)))
    assert door.begun == 2
    assert [each.result() for each in found] == [True] * 6
    assert stored(store) == {"first", *(f"d-{number}" for number in range(5))}


def test_one_that_came_before_and_one_of_another_forge_leave_the_others_alone(store: SqlStore) -> None:
    clash = delivery("first", forge="gitlab")
    door, found = crowd(store, delivery("first"), clash, delivery("d-1"))
    assert door.begun == 2
    assert found[1].result() is False
    with pytest.raises(Conflict, match="another forge"):
        found[2].result()
    assert found[3].result() is True
    assert stored(store) == {"first", "d-1"}


def test_nobody_is_told_that_a_delivery_stands_whose_transaction_failed(store: SqlStore) -> None:
    door, found = crowd(store, delivery("d-1"), delivery("d-2"), broken=True)
    assert door.begun == 2
    for each in found:
        with pytest.raises(StoreUnavailable):
            each.result()
    assert stored(store) == set()


def test_several_threads_add_each_delivery_once(store: SqlStore) -> None:
    def bring(name: str) -> Callable[[], bool]:
        return lambda: store.accept(delivery(name))

    for round_ in range(5):
        names = [f"{round_}-{number % 4}" for number in range(12)]
        results = in_threads([bring(name) for name in names])
        assert Counter(results) == {True: 4, False: 8}
        assert stored(store) >= set(names)
