"""Redelivery: a person has a failed or waiting delivery handled again."""

from __future__ import annotations

import logging

from bot.domain.errors import Forbidden, IllegalMove
from bot.domain.people.audit import AuditAction
from bot.domain.people.permissions import Person, Role
from bot.services.outbox.audit_log import audited, done
from bot.services.ports import Clock, Dispatch, Store

log = logging.getLogger(__name__)


class Redelivery:
    """Handles deliveries again. A delivery that had an effect is done: it would have no effect twice."""

    def __init__(self, store: Store, clock: Clock, dispatch: Dispatch) -> None:
        self._store = store
        self._clock = clock
        self._dispatch = dispatch

    def redeliver(self, delivery_id: str, person: Person) -> None:
        """Enqueue a delivery again. Raises Forbidden, IllegalMove, NotFound."""
        self.reopen(delivery_id, person)
        try:
            self._dispatch.receive(delivery_id)
        except ConnectionError as error:
            log.warning("delivery %s waits for the sweep: %s", delivery_id, error)

    @audited(AuditAction.REPLAY)
    def reopen(self, delivery_id: str, person: Person) -> None:
        """Make a delivery due again. Raises Forbidden, IllegalMove, NotFound."""
        if person.role < Role.OWNER:
            raise Forbidden("a delivery is replayed by an owner of this Plangate")
        with self._store.transaction() as tx:
            delivery = tx.deliveries.get(delivery_id)
            if delivery.handled_at is not None and not tx.redeliveries.reopen(delivery_id):
                raise IllegalMove(
                    f"{delivery_id} was handled already: handling it again would have no effect"
                )
            done(tx, self._clock, person, AuditAction.REPLAY, delivery_id, delivery.error)
