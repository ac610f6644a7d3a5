"""The usual duration of a workspace's plans and applies, from its earlier runs."""

from __future__ import annotations

from datetime import timedelta

from bot.domain.runs.lifecycle import RunStatus, StageStatus
from bot.domain.runs.run import Run
from bot.domain.runs.timing import stage_times, usual
from bot.services.ports import RunQuery, Transaction

_LOOKED_BACK = 10
_PLANNED = frozenset({RunStatus.APPLIED, RunStatus.PLANNED_AND_FINISHED, RunStatus.DISCARDED})
# A reused plan took no time. It says nothing about the duration of planning.
_SHORTEST = timedelta(milliseconds=200)


def usual_length(tx: Transaction, run: Run, stage: RunStatus) -> timedelta | None:
    """Return the usual duration of a stage (`planning`, `applying`) in the workspace. None: unknown."""
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
