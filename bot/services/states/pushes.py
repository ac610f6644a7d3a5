"""States that people push by the API: announced and then sent, or at once; only under their own lock.

A person who may not see that a run is at work can't overwrite its state by chance: the lock of a workspace is
one for people, runs and state operations. Source of the rules: HashiCorp's "State Versions API".
"""

from __future__ import annotations

from dataclasses import dataclass

from bot.domain.errors import Conflict, Invalid, NotFound
from bot.domain.ids import new_id
from bot.domain.people.audit import AuditAction
from bot.domain.people.origins import Origin, Via
from bot.domain.people.permissions import Person, Role
from bot.domain.states.file import SERIAL_LIMIT
from bot.domain.workspaces.workspace import Lock
from bot.services.outbox.audit_log import audited, done
from bot.services.ports import Clock, StateUpload, StateVersion, Store, Transaction
from bot.services.states.history import (
    checked,
    md5_of,
    numbered,
    under_own_lock,
    what_does_not_follow,
)
from bot.services.states.resource_index import ResourceIndex

MD5_LENGTH = 32


@dataclass(frozen=True)
class StateClaim:
    """What a client says of the state that it pushes. An empty lineage is not said.

    `force` takes a state of another lineage too, or of a lower serial, which gets the next serial.
    """

    serial: int
    md5: str
    lineage: str = ""
    force: bool = False


class StatePushes:
    """Takes states from people. Each method raises Forbidden, Invalid, Conflict (409), NotFound."""

    def __init__(self, store: Store, clock: Clock, resource_index: ResourceIndex) -> None:
        self._store = store
        self._clock = clock
        self._resource_index = resource_index

    @audited(AuditAction.PUSH_STATE)
    def announce(self, workspace_id: str, person: Person, claim: StateClaim) -> StateUpload | StateVersion:
        """Return an upload that waits for its state, or the current version if it is this very state."""
        _check_claim(claim)
        with self._store.transaction() as tx:
            workspace, lock = under_own_lock(tx, workspace_id, person)
            current = tx.states.current(workspace_id)
            if current is not None and current.md5 == claim.md5:
                return current
            _check_follows(current, claim.serial, claim.lineage, force=claim.force)
            upload = self._upload(workspace_id, person, claim, lock)
            tx.state_uploads.add(upload)
            announced = f"announced serial {claim.serial}"
            done(tx, self._clock, person, AuditAction.PUSH_STATE, workspace, announced, upload.id)
        return upload

    def receive(self, upload_id: str, data: bytes) -> StateVersion:
        """Store the state of an upload as the current one. The same state again changes nothing."""
        with self._store.transaction() as tx:
            try:
                upload = tx.state_uploads.get(upload_id)
            except NotFound:
                version = tx.state_history.get(upload_id)
                if version.md5 != md5_of(data):
                    raise Conflict(f"{upload_id} has been uploaded already, with other content") from None
                return version
            # Who announced it is known by the signed address. The line of the announcement has the origin.
            person = Person(upload.by, Role(upload.role), Origin(Via.TOKEN))
            _, lock = under_own_lock(tx, upload.workspace_id, person)
            if lock.at != upload.locked_at:
                raise Conflict("the workspace was unlocked since this state was announced: announce it again")
            tx.state_uploads.remove(upload.id)
            version = self._store_state(tx, upload, data, person)
        self._resource_index.follow(version.workspace_id)
        return version

    @audited(AuditAction.PUSH_STATE)
    def push(self, workspace_id: str, person: Person, claim: StateClaim, data: bytes) -> StateVersion:
        """Store a state as the current one. The same state again changes nothing."""
        _check_claim(claim)
        with self._store.transaction() as tx:
            _, lock = under_own_lock(tx, workspace_id, person)
            current = tx.states.current(workspace_id)
            if current is not None and current.md5 == claim.md5 == md5_of(data):
                return current
            version = self._store_state(tx, self._upload(workspace_id, person, claim, lock), data, person)
        self._resource_index.follow(workspace_id)
        return version

    def _upload(self, workspace_id: str, person: Person, claim: StateClaim, lock: Lock) -> StateUpload:
        return StateUpload(
            id=new_id("sv"),
            workspace_id=workspace_id,
            by=person.login,
            role=int(person.role),
            serial=claim.serial,
            lineage=claim.lineage,
            md5=claim.md5,
            force=claim.force,
            locked_at=lock.at,
            created_at=self._clock.now(),
        )

    def _store_state(self, tx: Transaction, upload: StateUpload, data: bytes, person: Person) -> StateVersion:
        """Check a state against its announcement and the current state, and store it."""
        if md5_of(data) != upload.md5:
            raise Invalid("the md5 is not that of the state: it was damaged on its way")
        header = checked(data)
        if header.serial != upload.serial:
            raise Invalid(f"the serial of the state is {header.serial}, not {upload.serial}")
        if upload.lineage and header.lineage != upload.lineage:
            raise Invalid(f"the lineage of the state is {header.lineage}, not {upload.lineage}")
        current = tx.states.current(upload.workspace_id)
        wrong = _check_follows(current, header.serial, header.lineage, force=upload.force)
        if current is not None and header.serial <= current.serial:
            data = numbered(data, current.serial + 1)
        forced = f", by force: {wrong}" if wrong else ""
        note = f"pushed by {person.login} with the API{forced}"
        version = StateVersion(
            id=upload.id,
            workspace_id=upload.workspace_id,
            run_id="",
            serial=checked(data).serial,
            lineage=header.lineage,
            md5=md5_of(data),
            created_at=self._clock.now(),
            size=len(data),
            made_by=person.login,
            note=note,
        )
        tx.states.add(version, data)
        workspace = tx.workspaces.get(upload.workspace_id)
        done(tx, self._clock, person, AuditAction.PUSH_STATE, workspace, note, version.id)
        return version


def _check_claim(claim: StateClaim) -> None:
    if not 0 <= claim.serial <= SERIAL_LIMIT:
        raise Invalid("serial must be a whole number from 0")
    hexadecimal = len(claim.md5) == MD5_LENGTH and set(claim.md5) <= set("0123456789abcdef")
    if not hexadecimal:
        raise Invalid("md5 must be the MD5 of the state, in hexadecimal letters")


def _check_follows(current: StateVersion | None, serial: int, lineage: str, *, force: bool) -> str:
    """Say what only `force` allows. Raises Conflict if that is not given."""
    if current is None:
        return ""
    wrong = what_does_not_follow(current, serial, lineage or current.lineage)
    if wrong and not force:
        raise Conflict(wrong)
    return wrong
