"""Locks: a person holds a workspace, so that runs wait; and Terraform's own lock on a state that was left."""

from __future__ import annotations

import logging

from bot.domain.audit import Deed
from bot.domain.errors import Conflict, Forbidden, IllegalMove
from bot.domain.permissions import Action, Person, refusal
from bot.domain.run import Run
from bot.domain.workspace import Lock, Workspace
from bot.services import left_locks
from bot.services.auditing import audited, done
from bot.services.ports import Clock, Store, Transaction
from bot.services.transitions import Transitions, Wake

log = logging.getLogger(__name__)

LONGEST_REASON = 500


class Locking:
    """Locks and unlocks workspaces for people; each method returns the workspace as it is then.

    Each raises Forbidden (role), IllegalMove or Conflict (says why it can't be now), NotFound.
    """

    def __init__(self, store: Store, clock: Clock, transitions: Transitions) -> None:
        self._store = store
        self._clock = clock
        self._transitions = transitions

    @audited(Deed.LOCK)
    def lock(self, name: str, person: Person, reason: str = "") -> Workspace:
        """Hold the workspace: runs are made, and wait. Refused while a run holds it."""
        wake = Wake()
        with self._store.transaction() as tx:
            workspace = self.locked(tx, name, person, reason, wake)
        self._transitions.wake(wake)
        return workspace

    def locked(self, tx: Transaction, name: str, person: Person, reason: str, wake: Wake) -> Workspace:
        """Do `lock` within a transaction, and note whom to wake after it."""
        _require(person, Action.LOCK)
        workspace = self._take(tx, name)
        if workspace.lock is not None:
            raise Conflict(f"{name} is locked already, by {_by(workspace.lock)}")
        if holder := _holder(tx, workspace):
            raise IllegalMove(_held(name, holder))
        words = " ".join(reason.split())[:LONGEST_REASON]
        done(tx, self._clock, person, Deed.LOCK, workspace, words)
        tx.workspaces.set_lock(workspace.id, Lock(person.login, words, self._clock.now()))
        self._transitions.next(tx, workspace.id, wake)
        log.info("%s was locked by %s: %s", name, person.login, words or "no reason given")
        return tx.workspaces.get(workspace.id)

    @audited(Deed.UNLOCK)
    def unlock(self, name: str, person: Person, *, force: bool = False) -> Workspace:
        """Let the workspace go, and start the run whose turn it is.

        Whoever locked it unlocks it; another's lock only an administrator may force.
        """
        wake = Wake()
        with self._store.transaction() as tx:
            workspace = self.unlocked(tx, name, person, wake, force=force)
        self._transitions.wake(wake)
        return workspace

    def unlocked(
        self, tx: Transaction, name: str, person: Person, wake: Wake, *, force: bool = False
    ) -> Workspace:
        """Do `unlock` within a transaction, and note whom to wake after it."""
        _require(person, Action.LOCK)
        workspace = self._take(tx, name)
        if workspace.lock is None:
            raise IllegalMove(f"{name} is not locked")
        if workspace.lock.by != person.login:
            if not force:
                raise Forbidden(
                    f"{name} was locked by {_by(workspace.lock)}: "
                    f"{workspace.lock.by} unlocks it, or an administrator forces it"
                )
            _require(person, Action.FORCE_UNLOCK)
        by_force = f"by force; {_by(workspace.lock)} held it" if workspace.lock.by != person.login else ""
        done(tx, self._clock, person, Deed.UNLOCK, workspace, by_force)
        tx.workspaces.set_lock(workspace.id, None)
        self._transitions.next(tx, workspace.id, wake)
        log.info("%s was unlocked by %s%s", name, person.login, " by force" if force else "")
        return tx.workspaces.get(workspace.id)

    @audited(Deed.RELEASE_STATE)
    def release_state(self, name: str, person: Person) -> Workspace:
        """Take Terraform's lock off the state by force. Refused while a run holds the workspace.

        What the process that held it still pushes is refused then, and kept aside (promise 3).
        """
        _require(person, Action.FORCE_UNLOCK)
        wake = Wake()
        with self._store.transaction() as tx:
            workspace = self._take(tx, name)
            standing = tx.states.locked(workspace.id)
            if standing is None:
                raise IllegalMove(f"the state of {name} is not locked")
            if holder := _holder(tx, workspace):
                raise IllegalMove(_held(name, holder))
            done(tx, self._clock, person, Deed.RELEASE_STATE, workspace, standing.run_id or standing.lock_id)
            if standing.run_id:
                run = tx.runs.get(standing.run_id)
                left_locks.release(tx, run, self._clock.now(), "by force", person.login)
            else:
                tx.states.unlock(workspace.id, standing.lock_id)
            self._transitions.next(tx, workspace.id, wake)
        self._transitions.wake(wake)
        log.warning("the state of %s was unlocked by %s by force", name, person.login)
        return workspace

    @staticmethod
    def _take(tx: Transaction, name: str) -> Workspace:
        """Return the workspace with its row held: no run starts in it before this transaction ends."""
        return tx.workspaces.get(tx.workspaces.named(name).id, for_update=True)


def _holder(tx: Transaction, workspace: Workspace) -> Run | None:
    return next((run for run in tx.runs.queue(workspace.id) if run.holds_workspace), None)


def _held(name: str, holder: Run) -> str:
    return f"{holder.id} holds {name} ({holder.status.value}): let it end first; {holder.possible()}"


def _by(lock: Lock) -> str:
    return f"{lock.by} ({lock.reason})" if lock.reason else lock.by


def _require(person: Person, action: Action) -> None:
    if not person.may(action):
        raise Forbidden(refusal(person, action))
