"""Which pending runs wait for which runs of other workspaces (`depends_on`), in a table of their own.

A run keeps the ids of those that it waits for. This table is for the other direction: it answers without
reading every pending run. It has rows only while a run is pending.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import sqlalchemy as sa

from bot.domain.runs.lifecycle import RunStatus
from bot.domain.runs.run import Run
from bot.store.connection.in_parts import in_parts
from bot.store.schema.runs import awaited_runs, runs

_waiting, _awaited = runs.alias("waiting"), runs.alias("awaited")
# Put together once: every change of a run asks it.
_WAITING_HERE = (
    sa.select(_waiting.c.workspace_id)
    .distinct()
    .select_from(awaited_runs)
    .join(_waiting, _waiting.c.id == awaited_runs.c.run_id)
    .where(awaited_runs.c.workspace_id == sa.bindparam("place"))
    .order_by(_waiting.c.workspace_id)
)
_WAITING = _WAITING_HERE.join(_awaited, _awaited.c.id == awaited_runs.c.awaited_id).where(
    _awaited.c.change_number.is_not_distinct_from(sa.bindparam("change", type_=sa.Integer)),
    _awaited.c.sequence <= sa.bindparam("sequence"),
)


def add_awaited(connection: sa.Connection, run: Run) -> None:
    """Note what a new run waits for."""
    if not run.after:
        return
    columns = ["awaited_id", "run_id", "workspace_id"]
    awaited = sa.select(runs.c.id, sa.literal(run.id), runs.c.workspace_id).where(runs.c.id.in_(run.after))
    connection.execute(sa.insert(awaited_runs).from_select(columns, awaited))


def drop_awaited(connection: sa.Connection, run: Run) -> None:
    """Forget what a run waited for, once it is no longer pending."""
    if run.after and run.status is not RunStatus.PENDING:
        connection.execute(sa.delete(awaited_runs).where(awaited_runs.c.run_id == run.id))


def workspaces_after(connection: sa.Connection, run: Run) -> Sequence[str]:
    """Return the workspaces with pending runs that wait for a run, or for an earlier one that it follows."""
    given = {"place": run.workspace_id, "change": run.change_number, "sequence": run.sequence}
    return [workspace_id for (workspace_id,) in connection.execute(_WAITING, given)]


def workspaces_after_any(connection: sa.Connection, workspace_id: str) -> Sequence[str]:
    """Return the workspaces with pending runs that wait for any run of another workspace."""
    return [each for (each,) in connection.execute(_WAITING_HERE, {"place": workspace_id})]


def awaited_workspaces(connection: sa.Connection, workspace_ids: Iterable[str]) -> frozenset[str]:
    """Return those of the workspaces that have a run which a pending run of another one waits for."""
    found: set[str] = set()
    for part in in_parts(workspace_ids):
        query = sa.select(awaited_runs.c.workspace_id).where(awaited_runs.c.workspace_id.in_(part))
        found.update(connection.execute(query.distinct()).scalars())
    return frozenset(found)
