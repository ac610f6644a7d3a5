"""Ends a branch's run without Terraform, if a change has applied the same files and nothing else has changed.

This is asked in the transaction that starts the run, when it is next in the queue.
"""

from __future__ import annotations

from bot.domain.runs.lifecycle import RunStatus
from bot.domain.runs.run import Run, RunEvent
from bot.services.plans.plan_inputs import saved_inputs, shared_now
from bot.services.plans.snapshot import variables_of
from bot.services.ports import Transaction
from bot.services.runs.transitions import Transitions

_STEPS = (RunStatus.FETCHING_COMPLETED, RunStatus.PLAN_QUEUED, RunStatus.PLANNING)


def ended_as_applied(tx: Transaction, transitions: Transitions, run: Run) -> list[tuple[Run, RunEvent]]:
    """Return the steps that end a run as applied before. Empty if it has to be planned."""
    before = run.as_applied
    if before is None or not _is_in_effect(tx, run, tx.runs.get(before.run_id)):
        return []
    words = f"as applied on {before.change}, by {before.run_id}"
    moves = [transitions.moved(run, RunStatus.FETCHING, message=words)]
    for status in _STEPS:
        moves.append(transitions.moved(moves[-1][0], status))
    moves.append(transitions.moved(moves[-1][0], RunStatus.PLANNED, message=words, has_changes=False))
    moves.append(transitions.moved(moves[-1][0], RunStatus.PLANNED_AND_FINISHED, message=words))
    return moves


def _is_in_effect(tx: Transaction, run: Run, applied: Run) -> bool:
    """Whether the states, the settings and the variables are still those of an apply."""
    workspace = tx.workspaces.get(run.workspace_id)
    state, basis = tx.states.current(workspace.id), saved_inputs(tx, applied.id)
    if state is None or state.run_id != applied.id or basis is None or run.modes:
        return False
    if basis.backend:
        return False  # the state that counts is elsewhere; what is stored here could not be pushed there
    settings = (workspace.engine.value, workspace.engine_version, workspace.working_directory, str(run.modes))
    same_settings = basis.settings == settings and basis.shared == shared_now(tx, workspace)
    return same_settings and variables_of(tx, applied.id) == variables_of(tx, run.id)
