"""Notifications in the database: the Notices and NotificationLog ports."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

import sqlalchemy as sa

from bot.domain.errors import NotFound
from bot.domain.notifications.destinations import Trigger
from bot.domain.notifications.messages import Notice, NotificationState, packed_message, unpacked_message
from bot.services.ports.notifications import DeliveryAttempt, Notification
from bot.store.connection.in_parts import in_parts
from bot.store.connection.upserts import insert_once
from bot.store.schema.notifications import notices, notification_attempts, notifications

_UNTOLD = notices.c.notification_id.is_(None)


class SqlNotices:
    """The outbox of one transaction."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def want(self, wanted: Sequence[Notice]) -> Sequence[str]:
        """Store events. One whose key is known is left as it is. Return the destinations of the new ones."""
        new = [
            notice.destination
            for notice in wanted
            if insert_once(
                self._connection, notices, ["key"], {**vars(notice), "trigger": notice.trigger.value}
            )
        ]
        return tuple(dict.fromkeys(new))

    def known(self, keys: Sequence[str]) -> frozenset[str]:
        """Return which of these events are stored."""
        found: set[str] = set()
        for part in in_parts(keys):
            query = sa.select(notices.c.key).where(notices.c.key.in_(part))
            found |= set(self._connection.execute(query).scalars())
        return frozenset(found)

    def waiting(self, destination: str, limit: int) -> Sequence[Notice]:
        """Return the events of a destination that no message tells of yet, oldest first."""
        query = (
            sa.select(notices)
            .where(notices.c.destination == destination, _UNTOLD)
            .order_by(notices.c.position)
            .limit(limit)
        )
        return [_notice(row) for row in self._connection.execute(query).mappings()]

    def told_by(self, notification: Notification, told: Sequence[Notice]) -> None:
        """Store a message, and that it tells of these events."""
        self._connection.execute(
            sa.insert(notifications).values(
                id=notification.id,
                destination=notification.destination,
                topic=notification.topic,
                message=packed_message(notification.message),
                created_at=notification.created_at,
                state=notification.state.value,
                attempts=notification.attempts,
                next_at=notification.next_at,
                error=notification.error,
            )
        )
        for part in in_parts(notice.key for notice in told):
            statement = sa.update(notices).where(notices.c.key.in_(part))
            self._connection.execute(statement.values(notification_id=notification.id))

    def due_destinations(self, now: datetime) -> frozenset[str]:
        """Return the destinations with an event or a message that is due."""
        events = sa.select(notices.c.destination).where(_UNTOLD, notices.c.due_at <= now)
        messages = sa.select(notifications.c.destination).where(notifications.c.next_at <= now)
        return frozenset(self._connection.execute(events.union(messages)).scalars())

    def due(self, destination: str, now: datetime, limit: int) -> Sequence[Notification]:
        """Return the messages to a destination that are tried now, oldest first."""
        query = (
            sa.select(notifications)
            .where(notifications.c.destination == destination, notifications.c.next_at <= now)
            .order_by(notifications.c.created_at, notifications.c.id)
            .limit(limit)
        )
        return [_notification(row) for row in self._connection.execute(query).mappings()]

    def attempted(self, notification: Notification, attempt: DeliveryAttempt) -> None:
        """Store an attempt, and where the message stands after it."""
        self._connection.execute(sa.insert(notification_attempts).values(**vars(attempt)))
        self._connection.execute(
            sa.update(notifications)
            .where(notifications.c.id == notification.id)
            .values(
                state=notification.state.value,
                attempts=notification.attempts,
                next_at=notification.next_at,
                error=notification.error,
            )
        )


class SqlNotificationLog:
    """The log of one transaction."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def find(self, destination: str, limit: int, offset: int = 0) -> Sequence[Notification]:
        """Return the newest messages; without a destination those to all."""
        query = sa.select(notifications).order_by(notifications.c.created_at.desc(), notifications.c.id)
        if destination:
            query = query.where(notifications.c.destination == destination)
        found = self._connection.execute(query.limit(limit).offset(offset)).mappings()
        return [_notification(row) for row in found]

    def get(self, notification_id: str) -> Notification:
        """Return a message. Raises NotFound."""
        query = sa.select(notifications).where(notifications.c.id == notification_id)
        row = self._connection.execute(query).mappings().first()
        if row is None:
            raise NotFound(f"there is no notification {notification_id}")
        return _notification(row)

    def attempts(self, notification_ids: Sequence[str]) -> Mapping[str, Sequence[DeliveryAttempt]]:
        """Return the attempts for each message that has some, oldest first."""
        found: dict[str, list[DeliveryAttempt]] = {}
        columns = [column for column in notification_attempts.c if column.name != "position"]
        for part in in_parts(notification_ids):
            query = sa.select(*columns).where(notification_attempts.c.notification_id.in_(part))
            for row in self._connection.execute(query.order_by(notification_attempts.c.position)).mappings():
                attempt = DeliveryAttempt(**row)
                found.setdefault(attempt.notification_id, []).append(attempt)
        return found

    def forget(self, before: datetime, limit: int) -> int:
        """Delete messages from before `before` that are not waiting, at most `limit`. Return how many."""
        old = (
            sa.select(notifications.c.id)
            .where(notifications.c.created_at < before, notifications.c.next_at.is_(None))
            .order_by(notifications.c.created_at)
            .limit(limit)
        )
        found = self._connection.execute(old).scalars().all()
        for table, column in (
            (notification_attempts, notification_attempts.c.notification_id),
            (notices, notices.c.notification_id),
            (notifications, notifications.c.id),
        ):
            self._connection.execute(sa.delete(table).where(column.in_(found)))
        return len(found)


def _notice(row: sa.RowMapping) -> Notice:
    kept = {name: value for name, value in row.items() if name not in ("position", "notification_id")}
    return Notice(**{**kept, "trigger": Trigger(row["trigger"])})


def _notification(row: sa.RowMapping) -> Notification:
    return Notification(
        **{**row, "message": unpacked_message(row["message"]), "state": NotificationState(row["state"])}
    )
