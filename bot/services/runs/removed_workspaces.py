"""Runs of workspaces that left plangate.yml, were renamed there, or left the branch: they can't go on.

Their statuses and comments must come to an end too, and a removed workspace holds nobody's merge, and no run
of another workspace.
"""

from __future__ import annotations

import logging
from dataclasses import replace
from datetime import datetime

from bot.domain.errors import Conflict, IllegalMove
from bot.domain.runs.lifecycle import CONFIRMED_ALREADY, FINAL, RunStatus
from bot.domain.runs.run import Run
from bot.domain.workspaces.workspace import Workspace
from bot.services.ports import RunQuery, Store, Transaction
from bot.services.runs.cancel import stopped
from bot.services.runs.report_subjects import subjects_of
from bot.services.runs.transitions import Moves, Transitions

log = logging.getLogger(__name__)

_AT_A_TIME = 500
_UNFINISHED = frozenset(status.value for status in RunStatus) - {status.value for status in FINAL}


def remove(tx: Transaction, workspace: Workspace, at: datetime) -> None:
    """Make a workspace inactive. Its state and its runs stay.

    What waits in other workspaces for its runs is reported again: a run that has ended holds it no longer.
    The sweep starts what is released, and ends what waits here.
    """
    tx.workspaces.save(replace(workspace, active=False))
    for other in tx.waiting_runs.workspaces_after_any(workspace.id):
        waiting = [run for run in tx.runs.queue(other) if run.status is RunStatus.PENDING]
        tx.posts.mark_due(at, *subjects_of(tx, other, waiting))


def why_removed(workspace: Workspace) -> str:
    """Say why a removed workspace has no more runs."""
    if workspace.made_by_api:
        return "its workspace was deleted"
    if workspace.discovered:
        return "its directory is no longer on the branch, or no rule in plangate.yml finds it"
    return "its workspace is no longer in plangate.yml"


class RemovedWorkspaces:
    """Discards the waiting runs of removed workspaces. What is being planned or applied ends first."""

    def __init__(self, store: Store, transitions: Transitions) -> None:
        self._store = store
        self._transitions = transitions

    def discard_all(self) -> int:
        """Discard them and return their number. Safe to call often and in parallel."""
        with self._store.reading() as tx:
            found = tx.runs.find(RunQuery(statuses=_UNFINISHED, active=False, limit=_AT_A_TIME))
        return sum(self._discard(run) for run in found if _waits(run))

    def _discard(self, run: Run) -> bool:
        try:
            self._transitions.change(run.id, self._step)
        except (IllegalMove, Conflict):
            return False  # Somebody else was quicker: the next sweep looks again.
        log.info("%s was stopped: its workspace was removed", run.id)
        return True

    def _step(self, tx: Transaction, run: Run) -> Moves:
        workspace = tx.workspaces.get(run.workspace_id)
        if workspace.active or not _waits(run):
            return ()
        return stopped(tx, self._transitions, run, why_removed(workspace))


def _waits(run: Run) -> bool:
    """Whether the run has not begun with what it waits for: also a confirmed one whose apply has not."""
    return run.discardable or run.status in CONFIRMED_ALREADY | {RunStatus.PENDING}
