"""How long plans and applies of a workspace usually take, from its earlier runs."""

from __future__ import annotations

from datetime import timedelta

from bot.domain.lifecycle import RunStatus, StageStatus
from bot.domain.run import Run
from bot.domain.timing import stage_times, usual
from bot.services.ports import RunQuery, Transaction

_LOOKED_BACK = 10
_PLANNED = frozenset({RunStatus.APPLIED, RunStatus.PLANNED_AND_FINISHED, RunStatus.DISCARDED})
# A plan that was taken over from another run took no time, and says nothing of how long planning takes.
_SHORTEST = timedelta(milliseconds=200)


def usual_length(tx: Transaction, run: Run, stage: RunStatus) -> timedelta | None:
    """Return how long a stage (`planning`, `applying`) usually takes in the workspace; None: unknown."""
    applying = stage is RunStatus.APPLYING
    statuses = frozenset({RunStatus.APPLIED}) if applying else _PLANNED
    earlier = tx.runs.find(RunQuery(workspace_id=run.workspace_id, statuses=statuses, limit=_LOOKED_BACK))
    lengths = []
    for each in earlier:
        status = each.apply_status if applying else each.plan_status
        if each.id == run.id or status is not StageStatus.FINISHED:
            continue
        begin, end = stage_times(tx.runs.timeline(each.id), stage)
        if begin is not None and end is not None and end - begin >= _SHORTEST:
            lengths.append(end - begin)
    return usual(lengths)
