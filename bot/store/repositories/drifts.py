"""Drift checks and drifts in the database: the ports CheckedWorkspaces and Drifts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict

import sqlalchemy as sa

from bot.domain.workspaces.drifted import DriftedResource
from bot.services.ports.drifts import DriftCheck, DriftRecord
from bot.store.connection.in_parts import in_parts
from bot.store.connection.upserts import insert_or_update
from bot.store.schema.drifts import drift_checks, drifts

_LASTS = drifts.c.ended_at.is_(None)


class SqlCheckedWorkspaces:
    """How far workspaces are checked, of one transaction."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def get(self, workspace_id: str) -> DriftCheck | None:
        """Return how far a workspace is checked. None: it never was."""
        query = sa.select(drift_checks).where(drift_checks.c.workspace_id == workspace_id)
        row = self._connection.execute(query).mappings().first()
        return DriftCheck(**row) if row is not None else None

    def all(self) -> Sequence[DriftCheck]:
        """Return how far each workspace is checked."""
        query = sa.select(drift_checks).order_by(drift_checks.c.due_at, drift_checks.c.workspace_id)
        return [DriftCheck(**row) for row in self._connection.execute(query).mappings()]

    def put(self, check: DriftCheck) -> None:
        """Insert or update how far a workspace is checked."""
        row = dict(vars(check))
        update = {name: value for name, value in row.items() if name != "workspace_id"}
        insert_or_update(self._connection, drift_checks, ["workspace_id"], row, update)


class SqlDrifts:
    """Drifts of one transaction."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def put(self, drift: DriftRecord) -> None:
        """Insert or update a drift."""
        row = {
            **vars(drift),
            "resources": [asdict(each) for each in drift.resources],
            "since": list(drift.since),
        }
        update = {name: value for name, value in row.items() if name != "id"}
        insert_or_update(self._connection, drifts, ["id"], row, update)

    def lasting(self, workspace_id: str) -> DriftRecord | None:
        """Return the drift of a workspace that lasts."""
        found = self._found(sa.select(drifts).where(drifts.c.workspace_id == workspace_id, _LASTS))
        return found[0] if found else None

    def all_lasting(self) -> Sequence[DriftRecord]:
        """Return every drift that lasts, the oldest first."""
        return self._found(sa.select(drifts).where(_LASTS).order_by(drifts.c.began_at, drifts.c.id))

    def drifted(self, workspace_ids: Iterable[str]) -> frozenset[str]:
        """Return those of the workspaces whose drift lasts."""
        found: set[str] = set()
        for part in in_parts(workspace_ids):
            query = sa.select(drifts.c.workspace_id).where(drifts.c.workspace_id.in_(part), _LASTS)
            found.update(self._connection.execute(query).scalars())
        return frozenset(found)

    def history(self, workspace_id: str, limit: int) -> Sequence[DriftRecord]:
        """Return the drifts of a workspace, newest first."""
        mine = sa.select(drifts).where(drifts.c.workspace_id == workspace_id)
        return self._found(mine.order_by(drifts.c.began_at.desc(), drifts.c.id).limit(limit))

    def _found(self, query: sa.Select[tuple[object, ...]]) -> list[DriftRecord]:
        return [_read(row) for row in self._connection.execute(query).mappings()]


def _read(row: sa.RowMapping) -> DriftRecord:
    resources = tuple(
        DriftedResource(**{**each, "attributes": tuple(each["attributes"])}) for each in row["resources"]
    )
    return DriftRecord(**{**row, "resources": resources, "since": tuple(row["since"])})
