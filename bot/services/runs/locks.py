"""Locks on workspaces, which make runs wait, and the removal of Terraform's lock on a state."""

from __future__ import annotations

import logging

from bot.domain.errors import Conflict, Forbidden, IllegalMove
from bot.domain.people.audit import AuditAction
from bot.domain.people.permissions import Action, Person, require
from bot.domain.runs.run import Run
from bot.domain.workspaces.workspace import Lock, Workspace
from bot.services.outbox.audit_log import audited, done
from bot.services.outbox.wake import Wake
from bot.services.ports import Clock, Store, Transaction
from bot.services.runs import abandoned_locks
from bot.services.runs.transitions import Transitions

log = logging.getLogger(__name__)

LONGEST_REASON = 500


class WorkspaceLocks:
    """Locks and unlocks workspaces for people. Each method returns the workspace after it.

    Each raises Forbidden (role), IllegalMove or Conflict (says why it is not possible now), NotFound.
    """

    def __init__(self, store: Store, clock: Clock, transitions: Transitions) -> None:
        self._store = store
        self._clock = clock
        self._transitions = transitions

    @audited(AuditAction.LOCK)
    def lock(self, name: str, person: Person, reason: str = "", *, writes_state: bool = False) -> Workspace:
        """Lock the workspace: new runs wait. Refused while a run holds it.

        `writes_state`: refused also while the Terraform of a lost worker may still write the state, because
        the person's Terraform relies on the lock to write it.
        """
        wake = Wake()
        with self._store.transaction() as tx:
            workspace = self.locked(tx, name, person, reason, wake)
            standing = tx.states.locked(workspace.id)
            if writes_state and standing is not None:
                raise Conflict(f"the state of {name} is locked by {standing.run_id or standing.lock_id}")
        self._transitions.wake(wake)
        return workspace

    def locked(self, tx: Transaction, name: str, person: Person, reason: str, wake: Wake) -> Workspace:
        """Do `lock` within a transaction, and note which workers to wake after it."""
        require(person, Action.LOCK)
        workspace = self._take(tx, name)
        if workspace.lock is not None:
            raise Conflict(f"{name} is locked already, by {_by(workspace.lock)}")
        if holder := _holder(tx, workspace):
            raise IllegalMove(_held(name, holder))
        words = " ".join(reason.split())[:LONGEST_REASON]
        done(tx, self._clock, person, AuditAction.LOCK, workspace, words)
        tx.workspaces.set_lock(workspace.id, Lock(person.login, words, self._clock.now()))
        self._transitions.next(tx, workspace.id, wake)
        log.info("%s was locked by %s: %s", name, person.login, words or "no reason given")
        return tx.workspaces.get(workspace.id)

    @audited(AuditAction.UNLOCK)
    def unlock(self, name: str, person: Person, *, force: bool = False) -> Workspace:
        """Unlock the workspace, and start its next run.

        The person who locked it may unlock it. Only an administrator may force another person's lock.
        """
        wake = Wake()
        with self._store.transaction() as tx:
            workspace = self.unlocked(tx, name, person, wake, force=force)
        self._transitions.wake(wake)
        return workspace

    def unlocked(
        self, tx: Transaction, name: str, person: Person, wake: Wake, *, force: bool = False
    ) -> Workspace:
        """Do `unlock` within a transaction, and note which workers to wake after it."""
        require(person, Action.LOCK)
        workspace = self._take(tx, name)
        if workspace.lock is None:
            raise IllegalMove(f"{name} is not locked")
        if workspace.lock.by != person.login:
            if not force:
                raise Forbidden(
                    f"{name} was locked by {_by(workspace.lock)}: "
                    f"{workspace.lock.by} unlocks it, or an administrator forces it"
                )
            require(person, Action.FORCE_UNLOCK)
        by_force = f"by force; {_by(workspace.lock)} held it" if workspace.lock.by != person.login else ""
        done(tx, self._clock, person, AuditAction.UNLOCK, workspace, by_force)
        tx.workspaces.set_lock(workspace.id, None)
        self._transitions.next(tx, workspace.id, wake)
        log.info("%s was unlocked by %s%s", name, person.login, " by force" if force else "")
        return tx.workspaces.get(workspace.id)

    def force_unlock(self, name: str, person: Person) -> Workspace:
        """Remove the lock of the person, or of the Terraform of a lost worker, that has it."""
        with self._store.reading() as tx:
            workspace = tx.workspaces.named(name)
            left = workspace.lock is None and tx.states.locked(workspace.id) is not None
        return self.release_state(name, person) if left else self.unlock(name, person, force=True)

    @audited(AuditAction.RELEASE_STATE)
    def release_state(self, name: str, person: Person) -> Workspace:
        """Remove Terraform's lock on the state by force. Refused while a run holds the workspace.

        A later push of the process that held the lock is refused, and stored separately (promise 3).
        """
        require(person, Action.FORCE_UNLOCK)
        wake = Wake()
        with self._store.transaction() as tx:
            workspace = self._take(tx, name)
            standing = tx.states.locked(workspace.id)
            if standing is None:
                raise IllegalMove(f"the state of {name} is not locked")
            if holder := _holder(tx, workspace):
                raise IllegalMove(_held(name, holder))
            done(
                tx,
                self._clock,
                person,
                AuditAction.RELEASE_STATE,
                workspace,
                standing.run_id or standing.lock_id,
            )
            if standing.run_id:
                run = tx.runs.get(standing.run_id)
                abandoned_locks.release(tx, run, self._clock.now(), "by force", person.login)
            else:
                tx.states.unlock(workspace.id, standing.lock_id)
            self._transitions.next(tx, workspace.id, wake)
        self._transitions.wake(wake)
        log.warning("the state of %s was unlocked by %s by force", name, person.login)
        return workspace

    @staticmethod
    def _take(tx: Transaction, name: str) -> Workspace:
        """Return the workspace with its row locked: no run starts in it before this transaction ends."""
        return tx.workspaces.get(tx.workspaces.named(name).id, for_update=True)


def _holder(tx: Transaction, workspace: Workspace) -> Run | None:
    return next((run for run in tx.runs.queue(workspace.id) if run.holds_workspace), None)


def _held(name: str, holder: Run) -> str:
    return f"{holder.id} holds {name} ({holder.status.value}): let it end first; {holder.possible()}"


def _by(lock: Lock) -> str:
    return f"{lock.by} ({lock.reason})" if lock.reason else lock.by
