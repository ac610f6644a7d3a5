"""Which runs wait for runs of other workspaces (`depends_on`), from the database as it is now."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from bot.domain.runs.awaited import Awaited, deciding, why_held
from bot.domain.runs.lifecycle import RunStatus
from bot.domain.runs.run import Run
from bot.domain.workspaces.order import Order
from bot.domain.workspaces.workspace import Workspace
from bot.services.ports import RunQuery, Transaction


def held(tx: Transaction, queue: Iterable[Run]) -> Mapping[str, str]:
    """Say why pending runs of a queue wait for other workspaces, by the runs' ids."""
    waiting = (run for run in queue if run.after and run.status is RunStatus.PENDING)
    return {run.id: why for run in waiting if (why := why_held(awaited(tx, run)))}


def awaited(tx: Transaction, run: Run) -> Sequence[Awaited]:
    """Return the workspaces that a run waits for, or has waited for, each with the run that decides."""
    found = []
    for run_id in run.after:
        first = tx.runs.get(run_id)
        later: Sequence[Run] = ()
        # While it is not final, no later run of its workspace can have been applied for the same change.
        if first.final and not first.in_effect:
            query = RunQuery(
                workspace_id=first.workspace_id,
                change_number=first.change_number,
                plan_only=False,
                since=first.sequence,
                limit=None,
            )
            later = tx.runs.find(query)
        workspace = tx.workspaces.get(first.workspace_id)
        found.append(Awaited(workspace.name, deciding(first, later), not workspace.active))
    return found


def applied_before(tx: Transaction, run: Run, since: datetime | None = None) -> str:
    """Return the name of a workspace that was applied before a run of another one, as `depends_on` says.

    Empty if there is none, or none after the time `since`. A plan from before the apply may be another one.
    """
    applied = (each for each in awaited(tx, run) if each.run.status is RunStatus.APPLIED)
    return next((e.workspace for e in applied if since is None or e.run.status_at >= since), "")


def after(workspace: Workspace, order: Order, made: Mapping[str, Run]) -> tuple[str, ...]:
    """Return the ids of the runs that a new run waits for, of those that were `made` together with it.

    `made` holds them by workspace.
    """
    return tuple(made[each.id].id for each in order.before(workspace) if each.id in made)
