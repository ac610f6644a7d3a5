"""Deletes outdated rows, a few at a time: the Retention port."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import sqlalchemy as sa

from bot.domain.runs import lifecycle
from bot.services.ports.runs import ArtifactKind
from bot.store.repositories.failed_deliveries import ARRIVED
from bot.store.schema.changes import changes
from bot.store.schema.deliveries import deliveries
from bot.store.schema.failed_deliveries import failed_deliveries, hook_watches
from bot.store.schema.runs import artifacts, leases, output, runs
from bot.store.schema.workspaces import workspaces

_FINAL = sorted(status.value for status in lifecycle.FINAL)
# A run's snapshot of variables stays: it is needed to mask the rest of the run.
_OF_A_RUN = (ArtifactKind.VARIABLES, ArtifactKind.OWN_VARIABLES)
_OF_A_PLAN = [kind.value for kind in ArtifactKind if kind not in _OF_A_RUN]


class SqlRetention:
    """Forgets within one transaction."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def deliveries(self, before: datetime, limit: int) -> int:
        """Forget deliveries received before `before` that are done with."""
        old = (
            sa.select(deliveries.c.id)
            .where(deliveries.c.received_at < before, deliveries.c.handled_at.is_not(None))
            .order_by(deliveries.c.received_at)
            .limit(limit)
        )
        found = self._connection.execute(old).scalars().all()
        # Otherwise the forge would be asked for them again.
        arrived = sa.update(failed_deliveries).where(failed_deliveries.c.id.in_(found), ARRIVED)
        self._connection.execute(arrived.values(arrived=True))
        self._connection.execute(sa.delete(deliveries).where(deliveries.c.id.in_(found)))
        return len(found)

    def failed_deliveries(self, before: datetime, limit: int) -> int:
        """Forget deliveries that failed before `before`."""
        return self._hooks(
            failed_deliveries, failed_deliveries.c.id, failed_deliveries.c.failed_at < before, limit
        )

    def hook_watches(self, before: datetime, limit: int) -> int:
        """Forget webhooks whose lists were last read before `before`."""
        return self._hooks(hook_watches, hook_watches.c.repo_path, hook_watches.c.checked_at < before, limit)

    def _hooks(self, table: sa.Table, name: sa.Column[str], which: sa.ColumnElement[bool], limit: int) -> int:
        key = sa.tuple_(table.c.forge, name)
        found = self._connection.execute(sa.select(table.c.forge, name).where(which).limit(limit)).all()
        self._connection.execute(sa.delete(table).where(key.in_([tuple(row) for row in found])))
        return len(found)

    def saved_plans(self, before: datetime, limit: int) -> int:
        """Forget the saved plans of previews that ended before `before`: too old to be taken over."""
        saved = artifacts.c.kind == ArtifactKind.SAVED_PLAN.value
        kept = sa.exists().where(artifacts.c.run_id == runs.c.id, saved)
        found = self._previews(before, limit, kept)
        self._connection.execute(sa.delete(artifacts).where(artifacts.c.run_id.in_(found), saved))
        return len(found)

    def previews(self, before: datetime, limit: int) -> int:
        """Forget output and plans of previews that ended before `before`, unless their change is open."""
        of_plan = artifacts.c.kind.in_(_OF_A_PLAN)
        kept = sa.or_(
            sa.exists().where(artifacts.c.run_id == runs.c.id, of_plan),
            sa.exists().where(output.c.run_id == runs.c.id),
        )
        still_open = sa.exists().where(
            workspaces.c.id == runs.c.workspace_id,
            changes.c.forge == workspaces.c.forge,
            changes.c.repo_path == workspaces.c.repo_path,
            changes.c.number == runs.c.change_number,
            changes.c.open,
        )
        found = self._previews(before, limit, sa.and_(kept, ~still_open))
        self._connection.execute(sa.delete(artifacts).where(artifacts.c.run_id.in_(found), of_plan))
        self._connection.execute(sa.delete(output).where(output.c.run_id.in_(found)))
        return len(found)

    def leases(self, before: datetime, limit: int) -> int:
        """Delete leases that expired before `before`; leases of runs only after the run has finished.

        A worker that was silent for so long finds no lease, so it changes nothing (promise 3).
        """
        of_run = sa.exists().where(
            leases.c.name.like("run:%"),
            runs.c.id == sa.func.substr(leases.c.name, len("run:") + 1),
            sa.or_(runs.c.status.not_in(_FINAL), runs.c.status_at >= before),
        )
        # One that an earlier version let go has no time.
        over = sa.or_(leases.c.expires_at < before, leases.c.expires_at.is_(None))
        old = sa.select(leases.c.name).where(over, ~of_run).limit(limit)
        found = self._connection.execute(old).scalars().all()
        self._connection.execute(sa.delete(leases).where(leases.c.name.in_(found)))
        return len(found)

    def _previews(self, before: datetime, limit: int, which: sa.ColumnElement[bool]) -> Sequence[str]:
        query = (
            sa.select(runs.c.id)
            .where(runs.c.plan_only, runs.c.status.in_(_FINAL), runs.c.status_at < before, which)
            .order_by(runs.c.status_at)
            .limit(limit)
        )
        return self._connection.execute(query).scalars().all()
