"""Terraform's locks on states, over all workspaces: the StateLocks port."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa

from bot.services.ports.states import StateLock
from bot.store.schema import state_locks


class SqlStateLocks:
    """Locks of one transaction; how one is taken and let go of is in `states`."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def all(self) -> Sequence[StateLock]:
        """Return every lock that stands, oldest first."""
        query = sa.select(state_locks).order_by(state_locks.c.at, state_locks.c.workspace_id)
        return [read_lock(row) for row in self._connection.execute(query).mappings()]


def read_lock(row: sa.RowMapping) -> StateLock:
    """Return a row as a lock."""
    return StateLock(row["workspace_id"], row["lock_id"], row["run_id"] or "", row["info"], row["at"])
