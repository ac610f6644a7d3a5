"""Group commit: stores the deliveries of several requests in one transaction, with one sync of the disk.

No request waits for others to join: a thread that finds no other one writing stores all queued deliveries.
Each request is answered only after the commit (promise 3).
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass

from bot.domain.errors import Conflict, StoreUnavailable
from bot.services.ports.deliveries import Delivery
from bot.services.ports.store import Transaction

Begin = Callable[[], AbstractContextManager[Transaction]]


@dataclass
class _Entry:
    """A queued delivery, and its result after the transaction: None if it was not stored."""

    delivery: Delivery
    over: bool = False
    became: bool | Conflict | None = None


class GroupCommit:
    """Adds the deliveries that the threads of a process bring."""

    def __init__(self, begin: Begin) -> None:
        self._begin = begin
        self._changed = threading.Condition()
        self._waiting: list[_Entry] = []
        self._busy = False

    @property
    def waiting(self) -> int:
        """How many deliveries wait for a transaction that is not theirs to end."""
        with self._changed:
            return len(self._waiting)

    def add(self, delivery: Delivery) -> bool:
        """Store a delivery; False if its id is there already.

        Raises Conflict if another forge has used the id, and otherwise as a transaction does;
        StoreUnavailable if another thread's transaction did so, with this delivery in it.
        """
        mine = _Entry(delivery)
        with self._changed:
            self._waiting.append(mine)
            self._changed.wait_for(lambda: mine.over or not self._busy)
            if not mine.over:
                batch, self._waiting, self._busy = self._waiting, [], True
        if not mine.over:
            self._store(batch)
        if isinstance(mine.became, Conflict):
            raise mine.became
        if mine.became is None:
            raise StoreUnavailable("the transaction with deliveries that came at the same time failed")
        return mine.became

    def _store(self, batch: Sequence[_Entry]) -> None:
        try:
            with self._begin() as tx:
                # In one order for everybody, so that two processes never wait for each other.
                found = [(each, _added(tx, each.delivery)) for each in sorted(batch, key=_id)]
            for each, became in found:
                each.became = became
        finally:
            with self._changed:
                for each in batch:
                    each.over = True
                self._busy = False
                self._changed.notify_all()


def _id(entry: _Entry) -> str:
    return entry.delivery.id


def _added(tx: Transaction, delivery: Delivery) -> bool | Conflict:
    try:
        return tx.deliveries.add(delivery)
    except Conflict as error:
        # Only this one's trouble: the others go on.
        return error
