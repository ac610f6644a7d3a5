"""Handling a delivery once more, because a person asks: one that failed, or that still waits."""

from __future__ import annotations

import logging

from bot.domain.audit import Deed
from bot.domain.errors import Forbidden, IllegalMove
from bot.domain.permissions import Person, Role
from bot.services.auditing import audited, done
from bot.services.ports import Clock, Dispatch, Store

log = logging.getLogger(__name__)


class Redelivering:
    """Has deliveries handled again. What led to something is done with: nothing would come of it twice."""

    def __init__(self, store: Store, clock: Clock, dispatch: Dispatch) -> None:
        self._store = store
        self._clock = clock
        self._dispatch = dispatch

    def replay(self, delivery_id: str, person: Person) -> None:
        """Have a worker handle a delivery again. Raises Forbidden, IllegalMove, NotFound."""
        self.reopen(delivery_id, person)
        try:
            self._dispatch.receive(delivery_id)
        except ConnectionError as error:
            log.warning("delivery %s waits for the sweep: %s", delivery_id, error)

    @audited(Deed.REPLAY)
    def reopen(self, delivery_id: str, person: Person) -> None:
        """Have a delivery be due again. Raises Forbidden, IllegalMove, NotFound."""
        if person.role < Role.OWNER:
            raise Forbidden("a delivery is replayed by an owner of this Plangate")
        with self._store.transaction() as tx:
            delivery = tx.deliveries.get(delivery_id)
            if delivery.handled_at is not None and not tx.redeliveries.reopen(delivery_id):
                raise IllegalMove(f"{delivery_id} was handled: nothing would come of it once more")
            done(tx, self._clock, person, Deed.REPLAY, delivery_id, delivery.error)
