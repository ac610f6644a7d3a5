"""Places in concurrency groups: which runs have one, and which run gets the next.

A place belongs to a run, not to its worker. If the worker is lost, the run keeps its place until another
worker has gone on with it: its Terraform may still be at work.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from bot.domain.runs.lifecycle import UNDER_WAY, WAITS_FOR_WORKER
from bot.domain.runs.run import Run, RunEvent
from bot.domain.workspaces.concurrency import Concurrency
from bot.domain.workspaces.workspace import Workspace
from bot.services.outbox.wake import Wake
from bot.services.ports import Clock, Transaction
from bot.services.runs.report_subjects import subjects_of

NO_PLACE = "waits for a place"
"""The line of the timeline of a run whose group has too many runs at work."""


def take_place(tx: Transaction, run: Run, group: Concurrency | None, clock: Clock, wake: Wake) -> bool:
    """Whether a worker may take the run. If not, says so once in its timeline, status and comment.

    Call it in the transaction that takes the run's lease: until it ends, nobody else gets a place.
    """
    if group is None or run.status not in WAITS_FOR_WORKER or run.cancel_requested_at:
        return True
    at_work = tx.waiting_runs.at_work(group.group, clock.now(), for_update=True)
    if run.id in at_work or not group.full(len(at_work)):
        return True
    if tx.runs.timeline(run.id)[-1].kind != NO_PLACE:
        message = group.waits_behind(list(at_work.values()))
        tx.runs.note(RunEvent(run.id, clock.now(), NO_PLACE, "", message))
        for subject in subjects_of(tx, run.workspace_id, [run]) if run.reported else ():
            wake.report(tx, subject, clock.now())
    return False


def why_no_place(tx: Transaction, workspace: Workspace, run: Run) -> str:
    """Say for which group a run waits, and what is at work there. Empty if it does not."""
    group = workspace.concurrency
    if group is None or run.status not in WAITS_FOR_WORKER:
        return ""
    at_work = tx.waiting_runs.at_work(group.group)
    if run.id in at_work or not group.full(len(at_work)):
        return ""
    return group.waits_behind(list(at_work.values()))


def without_place(tx: Transaction, runs: Iterable[Run]) -> Mapping[str, str]:
    """Say for each run that waits for a place what it waits for, in words that stay the same meanwhile."""
    at_work: dict[str, Mapping[str, str]] = {}
    found = {}
    for run in runs:
        group = tx.workspaces.get(run.workspace_id).concurrency
        if group is None or run.status not in WAITS_FOR_WORKER:
            continue
        if group.group not in at_work:
            at_work[group.group] = tx.waiting_runs.at_work(group.group)
        busy = at_work[group.group]
        if run.id not in busy and group.full(len(busy)):
            found[run.id] = group.waits
    return found


def with_places(tx: Transaction, runs: Iterable[Run], clock: Clock) -> list[Run]:
    """Leave out the runs that would find no place, so that no worker is woken for them. Oldest first."""
    free: dict[str, int] = {}
    found = []
    for run in sorted(runs, key=lambda each: (each.created_at, each.sequence)):
        group = tx.workspaces.get(run.workspace_id).concurrency
        if group is None or run.status not in UNDER_WAY:
            found.append(run)
            continue
        at_work = tx.waiting_runs.at_work(group.group, clock.now())
        left = free.setdefault(group.group, group.limit - len(at_work))
        if run.id in at_work or run.cancel_requested_at:
            found.append(run)
        elif left > 0:
            free[group.group] = left - 1
            found.append(run)
    return found
