"""Webhook calls in the database: the Deliveries port."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from bot.domain.errors import Conflict, NotFound
from bot.services.ports.traffic import EVERY_DELIVERY, Came, Delivery, DeliveryQuery, DeliveryRecord
from bot.services.ports.world import Vault
from bot.store.schema import deliveries
from bot.store.upserts import insert_once

_MOST_WORDS = 5


class SqlDeliveries:
    """Deliveries of one transaction. Bodies go through the vault: they carry text of private repositories."""

    def __init__(self, connection: sa.Connection, vault: Vault) -> None:
        self._connection = connection
        self._vault = vault

    def add(self, delivery: Delivery) -> bool:
        """Store a delivery; False where its id is there already.

        Raises Conflict where another forge has used the id: answering "seen" would lose the delivery.
        """
        row = {
            "id": delivery.id,
            "forge": delivery.forge,
            "event": delivery.event,
            "headers": dict(delivery.headers),
            "body": self._vault.encrypt(delivery.body),
            "received_at": delivery.received_at,
            "handled_at": delivery.handled_at,
            **_decided(delivery.decisions),
            "error": delivery.error,
            "repo": delivery.repo,
            "attempts": delivery.attempts,
        }
        if insert_once(self._connection, deliveries, ["id"], row):
            return True
        query = sa.select(deliveries.c.forge).where(deliveries.c.id == delivery.id)
        if self._connection.execute(query).scalar_one() != delivery.forge:
            raise Conflict(f"a delivery of another forge has the id {delivery.id}")
        return False

    def get(self, delivery_id: str, *, for_update: bool = False) -> Delivery:
        """Return a delivery; with `for_update` others who do so wait for our end. Raises NotFound."""
        query = sa.select(deliveries).where(deliveries.c.id == delivery_id)
        query = query.with_for_update() if for_update else query
        row = self._connection.execute(query).mappings().first()
        if row is None:
            raise NotFound(f"there is no delivery {delivery_id}")
        return self._read(row)

    def handled(
        self, delivery_id: str, at: datetime, decisions: Sequence[Mapping[str, str]], error: str = ""
    ) -> None:
        """Keep what was decided of it, and that it is done with. Raises NotFound."""
        statement = (
            sa.update(deliveries)
            .where(deliveries.c.id == delivery_id)
            .values(handled_at=at, error=error, **_decided(decisions))
        )
        if not self._connection.execute(statement).rowcount:
            raise NotFound(f"there is no delivery {delivery_id}")

    def failed(self, delivery_id: str, error: str) -> None:
        """Keep why this try failed; the delivery stays due, unless another try has handled it."""
        self._connection.execute(
            sa.update(deliveries)
            .where(deliveries.c.id == delivery_id, deliveries.c.handled_at.is_(None))
            .values(error=error, attempts=deliveries.c.attempts + 1)
        )

    def due(self, before: datetime, limit: int) -> Sequence[str]:
        """Return the ids of deliveries received before `before` and not handled, oldest first."""
        query = (
            sa.select(deliveries.c.id)
            .where(deliveries.c.handled_at.is_(None), deliveries.c.received_at < before)
            .order_by(deliveries.c.received_at, deliveries.c.id)
            .limit(limit)
        )
        return self._connection.execute(query).scalars().all()

    def overtaken(self, delivery: Delivery) -> bool:
        """Say whether the forge has called with the same kind of event since, handled or not."""
        later = sa.exists().where(
            deliveries.c.received_at > delivery.received_at,
            deliveries.c.forge == delivery.forge,
            deliveries.c.event == delivery.event,
        )
        return bool(self._connection.execute(sa.select(later)).scalar_one())

    def recent(
        self, limit: int, offset: int = 0, query: DeliveryQuery = EVERY_DELIVERY
    ) -> Sequence[DeliveryRecord]:
        """Return what is known of the deliveries that match, newest first, behind the first `offset`."""
        statement = (
            sa.select(*(deliveries.c[field.name] for field in fields(DeliveryRecord)))
            .where(*_conditions(query))
            .order_by(deliveries.c.received_at.desc(), deliveries.c.id.desc())
            .limit(limit)
            .offset(offset)
        )
        rows = self._connection.execute(statement).mappings()
        return [DeliveryRecord(**{**row, "decisions": tuple(row["decisions"])}) for row in rows]

    def _read(self, row: sa.RowMapping) -> Delivery:
        return Delivery(
            id=row["id"],
            forge=row["forge"],
            event=row["event"],
            headers=row["headers"],
            body=self._vault.decrypt(row["body"]),
            received_at=row["received_at"],
            handled_at=row["handled_at"],
            decisions=tuple(row["decisions"]),
            error=row["error"],
            attempts=row["attempts"],
            repo=row["repo"],
        )


def _decided(decisions: Sequence[Mapping[str, str]]) -> dict[str, Any]:
    """Return what was decided as columns: whole, and as what is searched."""
    words = (each.get(name, "") for each in decisions for name in ("workspace", "outcome", "reason"))
    return {
        "decisions": [dict(decision) for decision in decisions],
        "told": "\n".join(filter(None, words)),
        "made_run": any(decision.get("run") for decision in decisions),
    }


def _conditions(query: DeliveryQuery) -> Iterator[sa.ColumnElement[bool]]:
    for column, wanted in ((deliveries.c.event, query.event), (deliveries.c.repo, query.repo)):
        if wanted:
            yield column.icontains(wanted, autoescape=True)
    for word in query.text.split()[:_MOST_WORDS]:
        places = (deliveries.c.told, deliveries.c.error, deliveries.c.id)
        yield sa.or_(*(column.icontains(word, autoescape=True) for column in places))
    handled, failed = deliveries.c.handled_at.is_not(None), deliveries.c.error != ""
    match query.outcome:
        case Came.ANY:
            return
        case Came.WAITING:
            yield deliveries.c.handled_at.is_(None)
        case Came.FAILED:
            yield sa.and_(handled, failed)
        case Came.RUN:
            yield sa.and_(handled, sa.not_(failed), deliveries.c.made_run)
        case Came.NOTHING:
            yield sa.and_(handled, sa.not_(failed), sa.not_(deliveries.c.made_run))
