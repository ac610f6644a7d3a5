"""Actions of people on versions of a workspace's state: show, download, roll back, push.

A version is never changed or deleted: a rollback adds one (promise 3). A state can't be changed while a run
may read or write it.
"""

from __future__ import annotations

import hashlib

from bot.domain.errors import Conflict, Forbidden, Invalid, NotFound
from bot.domain.ids import new_id
from bot.domain.people.audit import AuditAction
from bot.domain.people.permissions import Action, Person, Role, require
from bot.domain.states.file import StateContents, StateHeader, read_contents, read_header, with_serial
from bot.domain.workspaces.workspace import Lock, Workspace
from bot.services.outbox.audit_log import audited, done
from bot.services.ports import Clock, StateVersion, Store, Transaction
from bot.services.states.backend import STATE_LIMIT
from bot.services.states.compare import StateComparison, StateInstances, compared, instances_of
from bot.services.states.resource_index import ResourceIndex


class StateVersions:
    """The versions of states, for pages and the command line.

    Methods that take a person raise Forbidden if the role is too low. All raise NotFound.
    """

    def __init__(self, store: Store, clock: Clock, resource_index: ResourceIndex) -> None:
        self._store = store
        self._clock = clock
        self._resource_index = resource_index

    def show(
        self, workspace_id: str, person: Person, version_id: str = ""
    ) -> tuple[StateVersion, StateContents]:
        """Return a version, by default the current one, and its contents without secrets. Audited."""
        with self._store.transaction() as tx:
            version = _find(tx, workspace_id, version_id)
            data = tx.states.data(version.id)
            self._read(tx, workspace_id, person, version)
        return version, read_contents(data)

    def compare(
        self,
        workspace_id: str,
        person: Person,
        before: str,
        now: str,
        *,
        offset: int = 0,
        limit: int = 100,
    ) -> StateComparison:
        """Return the differences of two versions, resources from `offset` on. Raises NotFound, Invalid."""
        with self._store.transaction() as tx:
            versions = [_find(tx, workspace_id, version_id) for version_id in (before, now)]
            for version in versions:
                self._read(tx, workspace_id, person, version)
            try:
                return compared(tx, versions[0], versions[1], offset=offset, limit=limit)
            except RecursionError:
                raise Invalid("these states nest values too deeply to be compared: download them") from None

    def instances(
        self, workspace_id: str, person: Person, version_id: str, address: str, *, offset: int, limit: int
    ) -> StateInstances:
        """Return the instances of a resource, without secrets, from `offset` on. Raises NotFound, Invalid."""
        with self._store.transaction() as tx:
            version = _find(tx, workspace_id, version_id)
            self._read(tx, workspace_id, person, version)
            try:
                found = instances_of(tx, version, address, offset=offset, limit=limit)
            except RecursionError:
                raise Invalid("this state nests values too deeply to be shown: download it") from None
        if not found.total:
            raise NotFound(f"{version.id} has no resource {address}")
        return found

    @audited(AuditAction.DOWNLOAD_STATE)
    def download(self, workspace_id: str, person: Person, version_id: str = "") -> tuple[StateVersion, bytes]:
        """Return a version with its state. Includes refused ones.

        It contains secrets in clear text, so reading it needs the role that writing needs.
        """
        require(person, Action.EDIT_STATE)
        with self._store.transaction() as tx:
            version = _find(tx, workspace_id, version_id)
            workspace = tx.workspaces.get(workspace_id)
            done(tx, self._clock, person, AuditAction.DOWNLOAD_STATE, workspace, subject=version.id)
            return version, tx.states.data(version.id)

    @audited(AuditAction.ROLL_BACK)
    def roll_back(
        self, workspace_id: str, version_id: str, person: Person, *, own_lock: bool = False
    ) -> StateVersion:
        """Roll back: store an older state as a new version. The serial increases, the lineage stays.

        `own_lock`: only under the person's own lock, as with the API.

        A refused version can be chosen too, if it has the same lineage: an upload
        that Terraform could not finish is often the truest one. Raises Conflict, Invalid.
        """
        require(person, Action.EDIT_STATE)
        with self._store.transaction() as tx:
            if own_lock:
                under_own_lock(tx, workspace_id, person)
            else:
                _make_sure_nobody_is_at_it(tx, workspace_id, person)
            version = _find(tx, workspace_id, version_id)
            current = tx.states.current(workspace_id)
            if current is not None and current.id == version.id:
                raise Invalid(f"{version.id} is the current state already")
            data = tx.states.data(version.id)
            header = checked(data)
            if current is not None and header.lineage != current.lineage:
                raise Conflict(
                    f"the state's lineage is {current.lineage}, that of {version.id} is {header.lineage}: it "
                    "is another state. To go over to it, download it and push it with --force"
                )
            serial = current.serial + 1 if current is not None else header.serial
            note = f"rolled back to {version.id} (serial {version.serial}) by {person.login}"
            made = self._add(tx, workspace_id, numbered(data, serial), person, note, AuditAction.ROLL_BACK)
        self._resource_index.follow(workspace_id)
        return made

    @audited(AuditAction.PUSH_STATE)
    def push(
        self, workspace_id: str, data: bytes, person: Person, *, force: bool = False
    ) -> StateVersion | None:
        """Push a state from elsewhere as the current one. None if it is the current one already.

        The first state is accepted as it is. Later ones need the same lineage and a higher serial. With
        `force` any state is accepted and gets the next serial. A refused state is not stored, because the
        sender has it. Raises Conflict, Invalid.
        """
        require(person, Action.EDIT_STATE)
        if len(data) > STATE_LIMIT:
            raise Invalid(f"a state may have {STATE_LIMIT // 2**20} MiB at most")
        header = checked(data)
        with self._store.transaction() as tx:
            _make_sure_nobody_is_at_it(tx, workspace_id, person)
            current, wrong = tx.states.current(workspace_id), ""
            if current is not None:
                if current.md5 == md5_of(data):
                    return None
                wrong = what_does_not_follow(current, header.serial, header.lineage)
                if wrong and not force:
                    raise Conflict(f"{wrong}; --force takes it all the same, as serial {current.serial + 1}")
                if header.serial <= current.serial:
                    data = numbered(data, current.serial + 1)
            forced = f", by force: {wrong}" if wrong else ""
            note = f"pushed from a file by {person.login}{forced}"
            made = self._add(tx, workspace_id, data, person, note, AuditAction.PUSH_STATE)
        self._resource_index.follow(workspace_id)
        return made

    def _read(self, tx: Transaction, workspace_id: str, person: Person, version: StateVersion) -> None:
        about = tx.workspaces.get(workspace_id)
        done(tx, self._clock, person, AuditAction.READ_STATE, about, f"serial {version.serial}", version.id)

    def _add(
        self, tx: Transaction, workspace_id: str, data: bytes, person: Person, note: str, deed: AuditAction
    ) -> StateVersion:
        header = checked(data)
        version = StateVersion(
            id=new_id("sv"),
            workspace_id=workspace_id,
            run_id="",
            serial=header.serial,
            lineage=header.lineage,
            md5=md5_of(data),
            created_at=self._clock.now(),
            size=len(data),
            made_by=person.login,
            note=note,
        )
        tx.states.add(version, data)
        done(tx, self._clock, person, deed, tx.workspaces.get(workspace_id), note, version.id)
        return version


def why_not_now(tx: Transaction, workspace: Workspace, person: Person) -> str:
    """Say why the state can't be changed now. Empty if it can (promise 7)."""
    holder = next((run for run in tx.runs.queue(workspace.id) if run.holds_workspace), None)
    if holder is not None:
        return f"{holder.id} holds the workspace ({holder.status.value}): wait for its end, or discard it"
    standing = tx.states.locked(workspace.id)
    if standing is not None:
        by = standing.run_id or "somebody"
        return f"the state is locked by {by}: it may still be written"
    if workspace.lock is not None and workspace.lock.by != person.login:
        because = f": {workspace.lock.reason}" if workspace.lock.reason else ""
        return f"the workspace is locked by {workspace.lock.by}{because}"
    return ""


def may_write_state(workspace: Workspace, person: Person) -> bool:
    """Whether a person may write the state with the API.

    In a workspace of a repository, states come from runs of reviewed commits. Only its administrators may
    replace one.
    """
    if workspace.has_repo and person.role < Role.ADMIN:
        return False
    return person.may(Action.EDIT_STATE)


def under_own_lock(tx: Transaction, workspace_id: str, person: Person) -> tuple[Workspace, Lock]:
    """Return the workspace and its lock if it is the person's. Raises Forbidden, Conflict, NotFound."""
    # This locks the row, as the start of a run does: no run starts until this is done.
    workspace = tx.workspaces.get(workspace_id, for_update=True)
    if not workspace.active:
        raise NotFound(f"there is no workspace {workspace_id}")
    if not may_write_state(workspace, person):
        raise Forbidden(f"{person.login} may not write the state of {workspace.name}")
    if why := why_not_now(tx, workspace, person):
        raise Conflict(why)
    if workspace.lock is None:
        raise Conflict(f"{workspace.name} is not locked: lock it before you write its state")
    return workspace, workspace.lock


def _make_sure_nobody_is_at_it(tx: Transaction, workspace_id: str, person: Person) -> None:
    # This locks the row, as the start of a run does: no run starts until this is done.
    workspace = tx.workspaces.get(workspace_id, for_update=True)
    why = why_not_now(tx, workspace, person)
    if why:
        raise Conflict(why)


def _find(tx: Transaction, workspace_id: str, version_id: str) -> StateVersion:
    if not version_id:
        current = tx.states.current(workspace_id)
        if current is None:
            raise NotFound("this workspace has no state here yet")
        return current
    version = tx.state_history.get(version_id)
    if version.workspace_id != workspace_id:
        raise NotFound(f"this workspace has no state version {version_id}")
    return version


def checked(data: bytes) -> StateHeader:
    """Return the serial and the lineage of a state. Raises Invalid if it is not a state."""
    header = read_header(data)
    if header.wrong:
        raise Invalid(f"this is not a Terraform state: {header.wrong}")
    return header


def numbered(data: bytes, serial: int) -> bytes:
    """Return a state with another serial. Raises Invalid."""
    try:
        return with_serial(data, serial)
    except ValueError as error:
        raise Invalid(f"this state can't get a new serial: {error}") from None


def what_does_not_follow(current: StateVersion, serial: int, lineage: str) -> str:
    """Say why a state with this serial and lineage can't follow the current one. Empty if it can."""
    if lineage != current.lineage:
        return f"the state's lineage is {current.lineage}: this is another state, {lineage}"
    if serial <= current.serial:
        return f"the state's serial is {current.serial} already, this one's is {serial}"
    return ""


def md5_of(data: bytes) -> str:
    """Return the MD5 of a state, in hex."""
    return hashlib.md5(data, usedforsecurity=False).hexdigest()
