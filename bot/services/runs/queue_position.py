"""The next run of a workspace, and why a run waits, from the database as it is now (promises 2 and 7)."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from bot.domain.runs.lifecycle import RunStatus
from bot.domain.runs.queue import next_run, why_waits
from bot.domain.runs.run import Run
from bot.domain.workspaces.workspace import Workspace
from bot.services.ports import Transaction
from bot.services.runs.order import held
from bot.services.runs.places import why_no_place


def whose_turn(tx: Transaction, workspace_id: str, *, for_update: bool = False) -> Run | None:
    """Return the run that may start now, None if no run may.

    While the Terraform of a lost worker may still write to the state, no run may start: its plan would
    fail at the state's lock.
    """
    workspace = tx.workspaces.get(workspace_id, for_update=for_update)
    queue = tx.runs.queue(workspace_id)
    turn = next_run(workspace, queue, held(tx, queue))
    return None if turn is not None and left_by(tx, workspace_id) else turn


def turns_of(tx: Transaction, workspace_ids: Collection[str]) -> Mapping[str, Run]:
    """Return the run that may start now for each workspace that has one, by the workspaces' ids."""
    queues, left = tx.runs.queues(workspace_ids), left_by_all(tx, workspace_ids)
    ordered = held(tx, (run for queue in queues.values() for run in queue))
    turns = {
        workspace_id: next_run(tx.workspaces.get(workspace_id), queue, ordered)
        for workspace_id, queue in queues.items()
        if workspace_id not in left
    }
    return {workspace_id: run for workspace_id, run in turns.items() if run is not None}


def has_turn(tx: Transaction, run: Run, *, for_update: bool = False) -> bool:
    """Whether a run may start now."""
    turn = whose_turn(tx, run.workspace_id, for_update=for_update)
    return turn is not None and turn.id == run.id


def why_it_waits(tx: Transaction, workspace: Workspace, run: Run, queue: Sequence[Run] | None = None) -> str:
    """Say why a run waits: in its workspace's queue, or for a place in its group. Empty if it does not."""
    if run.waits_for_freeze and run.frozen is not None:
        return run.frozen.words
    if run.status is RunStatus.PENDING and not run.plan_only:
        ahead = tx.runs.queue(workspace.id) if queue is None else queue
        if because := why_waits(run, workspace, ahead, left_by(tx, workspace.id), held(tx, ahead)):
            return because
    return why_no_place(tx, workspace, run)


def left_by(tx: Transaction, workspace_id: str) -> str:
    """Return the finished run that still holds the state's lock, empty if there is none."""
    standing = tx.states.locked(workspace_id)
    if standing is None or not standing.run_id:
        return ""
    return standing.run_id if tx.runs.get(standing.run_id).final else ""


def left_by_all(tx: Transaction, workspace_ids: Collection[str]) -> Mapping[str, str]:
    """Return the finished runs that still hold the lock of a state, by workspace."""
    locks = [each for each in tx.state_locks.all() if each.workspace_id in workspace_ids]
    return {
        lock.workspace_id: lock.run_id for lock in locks if lock.run_id and tx.runs.get(lock.run_id).final
    }
