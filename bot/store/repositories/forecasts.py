"""Forecasts in the database: the Forecasts port."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import Any

import sqlalchemy as sa

from bot.domain.events import RepoRef
from bot.domain.plans.forecast import Deed, Forecast
from bot.services.ports.forecasts import ForecastRecord
from bot.store.connection.in_parts import in_parts
from bot.store.connection.upserts import insert_or_update
from bot.store.schema.changes import changes
from bot.store.schema.forecasts import forecasts
from bot.store.schema.workspaces import workspaces

_KEY = ("workspace_id", "first", "second")
_ORDER = (forecasts.c.first, forecasts.c.second, forecasts.c.workspace_id)


class SqlForecasts:
    """Forecasts of one transaction."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def put(self, record: ForecastRecord) -> None:
        """Insert a forecast, in place of an earlier one of the same workspace and changes."""
        row = {**vars(record), "result": None if record.result is None else asdict(record.result)}
        update = {column: value for column, value in row.items() if column not in _KEY}
        insert_or_update(self._connection, forecasts, _KEY, row, update)

    def remove(self, record: ForecastRecord) -> None:
        """Delete a forecast."""
        mine = (
            forecasts.c.workspace_id == record.workspace_id,
            forecasts.c.first == record.first,
            forecasts.c.second == record.second,
        )
        self._connection.execute(sa.delete(forecasts).where(*mine))

    def of_run(self, run_id: str) -> ForecastRecord | None:
        """Return the forecast that a run plans for. None if it is not wanted any more."""
        found = self._found(forecasts.c.run_id == run_id) if run_id else []
        return found[0] if found else None

    def of_plans(self, run_ids: Iterable[str]) -> Sequence[ForecastRecord]:
        """Return the forecasts that are compared with the plans of runs, in the order of their changes."""
        found: dict[tuple[str, int, int], ForecastRecord] = {}
        for part in in_parts(run_ids):
            mine = sa.or_(forecasts.c.first_plan.in_(part), forecasts.c.second_plan.in_(part))
            found |= {record.key: record for record in self._found(mine)}
        return sorted(found.values(), key=lambda each: (each.first, each.second, each.workspace_id))

    def of_workspace(self, workspace_id: str) -> Sequence[ForecastRecord]:
        """Return the forecasts of a workspace, in the order of their changes."""
        return self._found(forecasts.c.workspace_id == workspace_id)

    def of_repo(self, repo: RepoRef) -> Sequence[ForecastRecord]:
        """Return the forecasts of a repository's workspaces."""
        here = sa.select(workspaces.c.id).where(
            workspaces.c.forge == repo.forge, workspaces.c.repo_path == repo.path
        )
        return self._found(forecasts.c.workspace_id.in_(here))

    def repos(self) -> frozenset[RepoRef]:
        """Return the repositories that have two open changes or more, or a forecast."""
        place = (changes.c.forge, changes.c.repo_path)
        several = sa.select(*place).where(changes.c.open).group_by(*place).having(sa.func.count() > 1)
        has_some = sa.select(workspaces.c.forge, workspaces.c.repo_path).where(
            workspaces.c.id.in_(sa.select(forecasts.c.workspace_id))
        )
        return frozenset(RepoRef(*row) for row in self._connection.execute(several.union(has_some)))

    def _found(self, which: sa.ColumnElement[bool]) -> list[ForecastRecord]:
        query = sa.select(forecasts).where(which).order_by(*_ORDER)
        return [_read(row) for row in self._connection.execute(query).mappings()]


def _read(row: sa.RowMapping) -> ForecastRecord:
    return ForecastRecord(**{**row, "result": None if row["result"] is None else _result(row["result"])})


def _result(kept: dict[str, Any]) -> Forecast:
    lists = {
        "together": tuple(Deed(**each) for each in kept["together"]),
        "order": tuple(kept["order"]),
        "conflicts": tuple(kept["conflicts"]),
    }
    return Forecast(**{**kept, **lists})
