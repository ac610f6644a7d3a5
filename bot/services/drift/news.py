"""Tells of drifts that began or ended: in the audit log, and to destinations (promise 3)."""

from __future__ import annotations

from collections.abc import Sequence

from bot.domain.notifications.destinations import Destination, Trigger
from bot.domain.people.audit import AuditAction, AuditEntry
from bot.domain.people.origins import Via
from bot.domain.people.permissions import Role
from bot.domain.workspaces.workspace import Workspace
from bot.services.notifications.events import notice_of
from bot.services.outbox.wake import Wake
from bot.services.ports import Clock, DriftRecord, Transaction
from bot.services.runs.cancel import PLANGATE


class DriftNews:
    """Stores, in the transaction of what happened, what is told of it."""

    def __init__(self, clock: Clock, destinations: Sequence[Destination]) -> None:
        self._clock = clock
        self._destinations = tuple(destinations)

    def began(self, tx: Transaction, workspace: Workspace, drift: DriftRecord, wake: Wake) -> None:
        """Tell that a check found a drift."""
        resources = f"{drift.number} resource{'s' * (drift.number != 1)}"
        self._log(tx, workspace, AuditAction.DRIFTED, drift.run_id, resources)
        self._tell(tx, workspace, Trigger.DRIFTED, drift, drift.run_id, resources, wake)

    def ended(
        self, tx: Transaction, workspace: Workspace, drift: DriftRecord, run_id: str, why: str, wake: Wake
    ) -> None:
        """Tell that a drift ended. `run_id` is the run that ended it, or else the one that found it."""
        self._log(tx, workspace, AuditAction.DRIFT_RESOLVED, run_id, why)
        self._tell(tx, workspace, Trigger.DRIFT_RESOLVED, drift, run_id, why, wake)

    def _log(
        self, tx: Transaction, workspace: Workspace, deed: AuditAction, run_id: str, detail: str
    ) -> None:
        entry = AuditEntry(
            at=self._clock.now(),
            login=PLANGATE,
            forge="",
            role=Role.NONE,
            via=Via.SERVER,
            deed=deed,
            subject=run_id,
            workspace=workspace.name,
            repo=workspace.repo,
            detail=detail,
        )
        tx.audit.add(entry)

    def _tell(
        self,
        tx: Transaction,
        workspace: Workspace,
        trigger: Trigger,
        drift: DriftRecord,
        run_id: str,
        detail: str,
        wake: Wake,
    ) -> None:
        told = [each for each in self._destinations if trigger in each.triggers and each.chooses(workspace)]
        if not told:
            return
        run, now = tx.runs.get(run_id), self._clock.now()
        new = [notice_of(each, trigger, workspace, run, now, drift.id, detail) for each in told]
        due_now = {each.name for each in told if not each.gather}
        wake.destinations += [name for name in tx.notices.want(new) if name in due_now]
