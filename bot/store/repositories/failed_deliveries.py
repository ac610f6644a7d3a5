"""Failed deliveries in the database: the ports HookWatches and FailedDeliveries."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import sqlalchemy as sa

from bot.domain.events import RepoRef
from bot.services.ports.failed_deliveries import FailedDelivery, HookWatch
from bot.store.connection.upserts import insert_once, insert_or_update
from bot.store.schema.deliveries import deliveries
from bot.store.schema.failed_deliveries import failed_deliveries, hook_watches

_HOOK_KEY = ("forge", "repo_path")
_KEY = ("forge", "id")


class SqlHookWatches:
    """Webhooks whose lists are read, within one transaction."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def all(self) -> Sequence[HookWatch]:
        """Return every webhook's state."""
        rows = self._connection.execute(sa.select(hook_watches)).mappings()
        return [
            HookWatch(
                repo=RepoRef(row["forge"], row["repo_path"]),
                due_at=row["due_at"],
                checked_at=row["checked_at"],
                listed_at=row["listed_at"],
                mark=row["mark"],
                calls=row["calls"],
                error=row["error"],
                refused=row["refused"],
                begun_at=row["begun_at"],
            )
            for row in rows
        ]

    def put(self, watch: HookWatch) -> None:
        """Insert or update."""
        changed = {
            "due_at": watch.due_at,
            "checked_at": watch.checked_at,
            "listed_at": watch.listed_at,
            "mark": watch.mark,
            "calls": watch.calls,
            "error": watch.error,
            "refused": watch.refused,
            "begun_at": watch.begun_at,
        }
        row = {"forge": watch.repo.forge, "repo_path": watch.repo.path, **changed}
        insert_or_update(self._connection, hook_watches, _HOOK_KEY, row, changed)

    def all_due(self, at: datetime) -> None:
        """Make every list due at a time, or earlier."""
        later = hook_watches.c.due_at > at
        self._connection.execute(sa.update(hook_watches).where(later).values(due_at=at))


ARRIVED = sa.or_(
    failed_deliveries.c.arrived,
    sa.exists().where(
        deliveries.c.id == failed_deliveries.c.id, deliveries.c.forge == failed_deliveries.c.forge
    ),
)
"""That a failed delivery has arrived: it is among the deliveries, or was before it was deleted there."""


class SqlFailedDeliveries:
    """Failed deliveries, within one transaction."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def add(self, failed: FailedDelivery) -> bool:
        """Store a failed delivery. False if it is stored already, or has arrived."""
        arrived = sa.exists().where(deliveries.c.id == failed.id, deliveries.c.forge == failed.hook.forge)
        if self._connection.execute(sa.select(arrived)).scalar_one():
            return False
        return insert_once(
            self._connection,
            failed_deliveries,
            _KEY,
            {
                "forge": failed.hook.forge,
                "id": failed.id,
                "repo_path": failed.hook.path,
                "event": failed.event,
                "failed_at": failed.failed_at,
                **_asked(failed),
            },
        )

    def put(self, failed: FailedDelivery) -> None:
        """Update what was asked of the forge."""
        self._connection.execute(
            sa.update(failed_deliveries)
            .where(failed_deliveries.c.forge == failed.hook.forge, failed_deliveries.c.id == failed.id)
            .values(_asked(failed))
        )

    def due(self, hook: RepoRef, at: datetime, limit: int) -> Sequence[FailedDelivery]:
        """Return what has not arrived and is due, earliest due first."""
        query = (
            sa.select(failed_deliveries, ARRIVED.label("has_arrived"))
            .where(
                failed_deliveries.c.forge == hook.forge,
                failed_deliveries.c.repo_path == hook.path,
                failed_deliveries.c.due_at <= at,
                ~ARRIVED,
            )
            .order_by(failed_deliveries.c.due_at, failed_deliveries.c.failed_at, failed_deliveries.c.id)
            .limit(limit)
        )
        return [_read(row) for row in self._connection.execute(query).mappings()]

    def all_due(self, at: datetime, asked_before: datetime) -> None:
        """Make due at a time what is due later, but not what was asked for since `asked_before`."""
        asked_at = failed_deliveries.c.asked_at
        long_ago = sa.or_(asked_at.is_(None), asked_at < asked_before)
        later = sa.update(failed_deliveries).where(failed_deliveries.c.due_at > at, long_ago)
        self._connection.execute(later.values(due_at=at))

    def since(self, at: datetime) -> Sequence[FailedDelivery]:
        """Return what failed since a time, latest first."""
        query = (
            sa.select(failed_deliveries, ARRIVED.label("has_arrived"))
            .where(failed_deliveries.c.failed_at >= at)
            .order_by(failed_deliveries.c.failed_at.desc(), failed_deliveries.c.id)
        )
        return [_read(row) for row in self._connection.execute(query).mappings()]

    def failed_at(self, forge: str, delivery_id: str) -> datetime | None:
        """Return when a forge's delivery failed at the earliest, None if it was not listed as failed."""
        query = sa.select(failed_deliveries.c.failed_at).where(
            failed_deliveries.c.forge == forge, failed_deliveries.c.id == delivery_id
        )
        found: datetime | None = self._connection.execute(query).scalar_one_or_none()
        return found

    def give_up(self, before: datetime) -> int:
        """Ask no more for what failed before a time and has not arrived."""
        late = sa.update(failed_deliveries).where(
            failed_deliveries.c.failed_at < before, failed_deliveries.c.due_at.is_not(None), ~ARRIVED
        )
        return self._connection.execute(late.values(due_at=None)).rowcount


def _asked(failed: FailedDelivery) -> dict[str, object]:
    return {
        "attempt_id": failed.attempt_id,
        "due_at": failed.due_at,
        "times": failed.times,
        "asked_at": failed.asked_at,
        "first_asked_at": failed.first_asked_at,
        "error": failed.error,
    }


def _read(row: sa.RowMapping) -> FailedDelivery:
    return FailedDelivery(
        hook=RepoRef(row["forge"], row["repo_path"]),
        id=row["id"],
        attempt_id=row["attempt_id"],
        event=row["event"],
        failed_at=row["failed_at"],
        due_at=row["due_at"],
        times=row["times"],
        asked_at=row["asked_at"],
        first_asked_at=row["first_asked_at"],
        error=row["error"],
        arrived=bool(row["has_arrived"]),
    )
