"""The ledger of deliveries: which are due, and the result of each, stored with its effects (promise 3)."""

from __future__ import annotations

from bot.domain.changes.delivery_decisions import DecisionKind, DeliveryDecision
from bot.services.outbox.delivery_result import DeliveryResult
from bot.services.ports import Clock, Store, Transaction


class Ledger:
    """Stores the result of each delivery, so that one that is handled twice has no effect twice."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    def is_due(self, tx: Transaction, delivery_id: str) -> bool:
        """Whether the delivery is still unhandled. Waits for a worker that handles it now."""
        return tx.deliveries.get(delivery_id, for_update=True).handled_at is None

    def done(self, tx: Transaction, delivery_id: str, outcome: DeliveryResult) -> None:
        """Store the decisions, in the transaction that acts on them."""
        tx.deliveries.handled(delivery_id, self._clock.now(), outcome.decisions)

    def nothing(self, delivery_id: str, outcome: DeliveryResult, why: str) -> None:
        """Store that a delivery had no effect, and why."""
        outcome.say(DecisionKind.NOTHING, why)
        with self._store.transaction() as tx:
            self.done(tx, delivery_id, outcome)

    def failed(self, delivery_id: str, error: str, *, give_up: bool) -> None:
        """Store why an attempt failed. The delivery stays due or is given up. Ignored if it was handled."""
        with self._store.transaction() as tx:
            if not self.is_due(tx, delivery_id):
                return
            if give_up:
                failed = DeliveryDecision(DecisionKind.FAILED, error)
                tx.deliveries.handled(delivery_id, self._clock.now(), [failed], error)
            else:
                tx.deliveries.failed(delivery_id, error)
