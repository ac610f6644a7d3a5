"""Uploads: a client asks for one, then sends the archive to an address that proves by itself what it is."""

from __future__ import annotations

from dataclasses import replace

from bot.domain.errors import Conflict, Invalid, NotFound
from bot.domain.ids import new_id
from bot.domain.people.audit import AuditAction
from bot.domain.people.permissions import Action, Person, require
from bot.domain.plans.modes import NORMAL
from bot.domain.runs.configuration_version import ConfigurationVersion, UploadStatus
from bot.domain.workspaces.workspace import Workspace
from bot.services.outbox.audit_log import done
from bot.services.outbox.wake import Wake
from bot.services.ports import Clock, Store, Transaction
from bot.services.runs.create import RunFactory
from bot.services.runs.transitions import Transitions

LONGEST_SOURCE = 60
_LOOKED_BACK = 100


class Uploads:
    """Configuration versions of workspaces."""

    def __init__(self, store: Store, clock: Clock, run_factory: RunFactory, transitions: Transitions) -> None:
        self._store = store
        self._clock = clock
        self._run_factory = run_factory
        self._transitions = transitions

    def ask(
        self,
        workspace: Workspace,
        person: Person,
        *,
        source: str = "",
        speculative: bool = False,
        provisional: bool = False,
        queues_run: bool = True,
    ) -> ConfigurationVersion:
        """Create a configuration version that waits for its archive. Raises Forbidden, Invalid."""
        require(person, Action.PLAN)
        if refused := workspace.why_no_upload(plan_only=speculative):
            raise Invalid(refused)
        version = ConfigurationVersion(
            new_id("cv"),
            workspace.id,
            person.login,
            self._clock.now(),
            source=source[:LONGEST_SOURCE] or "tfe-api",
            speculative=speculative,
            provisional=provisional,
            queues_run=queues_run,
            may_apply=person.may(Action.CONFIRM),
        )
        with self._store.transaction() as tx:
            tx.configurations.add(version)
            done(tx, self._clock, person, AuditAction.UPLOAD, workspace, subject=version.id)
        return version

    def receive(self, version_id: str, data: bytes) -> ConfigurationVersion:
        """Store the archive, once; create its run if it was asked for. Raises NotFound for a second one.

        What is in it is looked at only in the run's sandbox.
        """
        wake = Wake()
        with self._store.transaction() as tx:
            version = tx.configurations.get(version_id, for_update=True)
            if version.status is not UploadStatus.PENDING:
                raise NotFound(f"{version_id} was uploaded already")
            tx.configurations.put_bytes(version.id, data)
            now = self._clock.now()
            version = replace(version, status=UploadStatus.UPLOADED, uploaded_at=now, size=len(data))
            tx.configurations.save(version)
            workspace = tx.workspaces.get(version.workspace_id)
            if version.queues_run and workspace.active:
                self._run_factory.of_upload(
                    tx,
                    workspace,
                    version,
                    version.created_by,
                    message="queued by an upload",
                    plan_only=version.speculative,
                    auto_apply=workspace.auto_apply and version.may_apply,
                    modes=NORMAL,
                    wake=wake,
                    why="queued by an upload",
                )
        self._transitions.wake(wake)
        return version


def usable(tx: Transaction, workspace: Workspace, version_id: str) -> ConfigurationVersion:
    """Return an upload that a run can be made of: a named one, else the newest.

    Raises NotFound, Conflict, Invalid.
    """
    if version_id:
        version = tx.configurations.get(version_id)
        if version.workspace_id != workspace.id:
            raise NotFound(f"there is no configuration version {version_id} in {workspace.name}")
        if version.status is not UploadStatus.UPLOADED:
            raise Conflict(f"{version_id} is {version.status.value}: upload a configuration first")
        return version
    for version in tx.configurations.of_workspace(workspace.id, _LOOKED_BACK):
        # A speculative one is for one plan: what applies must not be made of it by chance.
        if version.status is UploadStatus.UPLOADED and not version.speculative:
            return version
    raise Invalid(f"{workspace.name} has no configuration: upload one first")
