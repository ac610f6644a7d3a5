"""Webhook calls and handled comments in the database: the ports Deliveries, Redeliveries and Heard."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import fields
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from bot.domain.changes.delivery_decisions import NOISE, DecisionKind, DeliveryDecision
from bot.domain.errors import Conflict, NotFound
from bot.domain.events import RepoRef
from bot.services.ports.deliveries import (
    EVERY_DELIVERY,
    FOUND_PUSH,
    Delivery,
    DeliveryQuery,
    DeliveryRecord,
    DeliveryStatus,
    was_found,
)
from bot.services.ports.world import Vault
from bot.store.connection.upserts import insert_once
from bot.store.encoding.decisions import decoded, encoded
from bot.store.encoding.meanings import from_document, to_document
from bot.store.schema.deliveries import deliveries, heard_comments

_MOST_WORDS = 5


class SqlDeliveries:
    """Deliveries of one transaction. Bodies go through the vault: they carry text of private repositories."""

    def __init__(self, connection: sa.Connection, vault: Vault) -> None:
        self._connection = connection
        self._vault = vault

    def add(self, delivery: Delivery) -> bool:
        """Store a delivery; False if its id is there already.

        Raises Conflict if another forge has used the id: answering "seen" would lose the delivery.
        """
        row = {
            "id": delivery.id,
            "forge": delivery.forge,
            "event": delivery.event,
            "headers": dict(delivery.headers),
            "body": self._vault.encrypt(delivery.body),
            "meaning": self._vault.encrypt(to_document(delivery.meaning)) if delivery.meaning else None,
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
        self, delivery_id: str, at: datetime, decisions: Sequence[DeliveryDecision], error: str = ""
    ) -> None:
        """Store its decisions and mark it as handled. Raises NotFound."""
        statement = (
            sa.update(deliveries)
            .where(deliveries.c.id == delivery_id)
            .values(handled_at=at, error=error, **_decided(decisions))
        )
        if not self._connection.execute(statement).rowcount:
            raise NotFound(f"there is no delivery {delivery_id}")

    def failed(self, delivery_id: str, error: str) -> None:
        """Store why this try failed; the delivery stays due, unless another try has handled it."""
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
        """Whether the forge has sent the same kind of event since, handled or not.

        A found delivery has no kind of the forge's: any later one counts.
        """
        same = [] if was_found(delivery) else [deliveries.c.event.in_((delivery.event, FOUND_PUSH))]
        later = sa.exists().where(
            deliveries.c.received_at > delivery.received_at,
            deliveries.c.forge == delivery.forge,
            *same,
        )
        return bool(self._connection.execute(sa.select(later)).scalar_one())

    def recent(
        self, limit: int, offset: int = 0, query: DeliveryQuery = EVERY_DELIVERY
    ) -> Sequence[DeliveryRecord]:
        """Return the matching deliveries, newest first, after the first `offset`."""
        statement = (
            sa.select(*(deliveries.c[field.name] for field in fields(DeliveryRecord)))
            .where(*_conditions(query))
            .order_by(deliveries.c.received_at.desc(), deliveries.c.id.desc())
            .limit(limit)
            .offset(offset)
        )
        rows = self._connection.execute(statement).mappings()
        return [DeliveryRecord(**{**row, "decisions": _read_decisions(row)}) for row in rows]

    def _read(self, row: sa.RowMapping) -> Delivery:
        return Delivery(
            id=row["id"],
            forge=row["forge"],
            event=row["event"],
            headers=row["headers"],
            body=self._vault.decrypt(row["body"]),
            meaning=from_document(self._vault.decrypt(row["meaning"])) if row["meaning"] else None,
            received_at=row["received_at"],
            handled_at=row["handled_at"],
            decisions=_read_decisions(row),
            error=row["error"],
            attempts=row["attempts"],
            repo=row["repo"],
        )


def _read_decisions(row: sa.RowMapping) -> tuple[DeliveryDecision, ...]:
    return tuple(decoded(each) for each in row["decisions"])


def _decided(decisions: Sequence[DeliveryDecision]) -> dict[str, Any]:
    """Return the decisions as columns: complete, and as searchable text."""
    words = (word for each in decisions for word in (each.workspace, each.kind.value, each.reason))
    return {
        "decisions": [encoded(decision) for decision in decisions],
        "told": "\n".join(filter(None, words)),
        "made_run": any(decision.run for decision in decisions),
    }


def _conditions(query: DeliveryQuery) -> Iterator[sa.ColumnElement[bool]]:
    for column, wanted in ((deliveries.c.event, query.event), (deliveries.c.repo, query.repo)):
        if wanted:
            yield column.icontains(wanted, autoescape=True)
    for word in query.text.split()[:_MOST_WORDS]:
        places = (deliveries.c.told, deliveries.c.error, deliveries.c.id)
        yield sa.or_(*(column.icontains(word, autoescape=True) for column in places))
    if not query.noise:
        yield deliveries.c.told.not_in([f"{DecisionKind.NOTHING.value}\n{reason}" for reason in NOISE])
    handled, failed = deliveries.c.handled_at.is_not(None), deliveries.c.error != ""
    match query.outcome:
        case DeliveryStatus.ANY:
            return
        case DeliveryStatus.WAITING:
            yield deliveries.c.handled_at.is_(None)
        case DeliveryStatus.FAILED:
            yield sa.and_(handled, failed)
        case DeliveryStatus.RUN:
            yield sa.and_(handled, sa.not_(failed), deliveries.c.made_run)
        case DeliveryStatus.NOTHING:
            yield sa.and_(handled, sa.not_(failed), sa.not_(deliveries.c.made_run))


class SqlRedeliveries:
    """Deliveries of one transaction that failed for good."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def reopen(self, delivery_id: str) -> bool:
        """Make a failed delivery due again; False if it has not failed."""
        failed = (deliveries.c.handled_at.is_not(None), deliveries.c.error != "")
        statement = (
            sa.update(deliveries)
            .where(deliveries.c.id == delivery_id, *failed)
            .values(handled_at=None, decisions=[], told="", made_run=False)
        )
        return bool(self._connection.execute(statement).rowcount)


_COMMENT_KEY = ("forge", "repo_path", "comment_id")


class SqlHeard:
    """Handled comments, within one transaction."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def add(self, repo: RepoRef, comment_id: str, at: datetime) -> bool:
        """Store that a comment is handled. False if it was before. Waits for a concurrent transaction."""
        row = {"forge": repo.forge, "repo_path": repo.path, "comment_id": comment_id, "at": at}
        return insert_once(self._connection, heard_comments, _COMMENT_KEY, row)

    def has(self, repo: RepoRef, comment_id: str) -> bool:
        """Whether a comment was handled."""
        query = sa.select(heard_comments.c.at).where(
            heard_comments.c.forge == repo.forge,
            heard_comments.c.repo_path == repo.path,
            heard_comments.c.comment_id == comment_id,
        )
        return self._connection.execute(query).first() is not None
