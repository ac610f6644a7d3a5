"""How long plans and applies take: usually in one workspace, and lately in many."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from bot.domain.events import RepoRef
from bot.domain.runs.lifecycle import RunStatus, StageStatus
from bot.domain.runs.run import Run
from bot.domain.runs.timing import stage_times, usual
from bot.services.ports import RunQuery, Transaction

MOST_TIMED = 2000
"""Of how many runs the lengths are read at most, over many workspaces."""

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


@dataclass(frozen=True)
class StageLength:
    """How long a plan (`planning`) or an apply (`applying`) took, and when it began."""

    workspace_id: str
    stage: RunStatus
    began: datetime
    length: timedelta


def recent_lengths(
    tx: Transaction, since: datetime, repos: Sequence[RepoRef] | None
) -> tuple[StageLength, ...]:
    """Return the lengths of the stages of the newest runs since then, at most of MOST_TIMED runs."""
    found: list[StageLength] = []
    for workspace_id, events in tx.run_figures.timelines(since, repos, MOST_TIMED):
        for stage in (RunStatus.PLANNING, RunStatus.APPLYING):
            begin, end = stage_times(events, stage)
            if begin is not None and end is not None and end - begin >= _SHORTEST:
                found.append(StageLength(workspace_id, stage, begin, end - begin))
    return tuple(found)
