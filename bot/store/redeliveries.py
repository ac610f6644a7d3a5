"""Deliveries that are to be handled once more: the Redeliveries port."""

from __future__ import annotations

import sqlalchemy as sa

from bot.store.schema import deliveries


class SqlRedeliveries:
    """Deliveries of one transaction that failed for good."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def reopen(self, delivery_id: str) -> bool:
        """Have a delivery that failed be due again; False where it is none."""
        failed = (deliveries.c.handled_at.is_not(None), deliveries.c.error != "")
        statement = (
            sa.update(deliveries)
            .where(deliveries.c.id == delivery_id, *failed)
            .values(handled_at=None, decisions=[], told="", made_run=False)
        )
        return bool(self._connection.execute(statement).rowcount)
