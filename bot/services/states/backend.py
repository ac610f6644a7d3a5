"""Keeps Terraform's states for its `http` backend: who may read and write, and which uploads are refused.

A run's processes get a token that is good for that run, its workspace and its mode alone. Nothing that
Terraform sends is thrown away: an upload that may not become the current state is kept aside (promise 3).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
from dataclasses import dataclass
from datetime import UTC, datetime

from bot.domain.errors import Conflict, Forbidden, Invalid, NotFound, PlangateError
from bot.domain.ids import new_id
from bot.domain.run import Run
from bot.domain.state_file import Header, json_object, read_header, word
from bot.services.ports import Clock, StateLock, States, StateVersion, Store, Transaction, Vault

STATE_LIMIT = 256 * 1024 * 1024
"""How many bytes one state may have."""

_READ, _WRITE = "r", "w"


@dataclass(frozen=True)
class Grant:
    """What an authentic, unexpired token allows: one run, in one workspace, to read or also to write."""

    run_id: str
    workspace_id: str
    write: bool


class StateService:
    """Reads, writes, locks and unlocks the state of a workspace for the run that holds a token."""

    def __init__(self, store: Store, vault: Vault, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._vault = vault

    def token(self, run_id: str, workspace_id: str, write: bool, expires_at: datetime) -> str:
        """Return the password of one run for one workspace's state; nothing is stored.

        `expires_at` is aware. Make it later than the run's longest stage may take: what Terraform pushes with
        an expired token is not even kept aside.
        """
        mode = _WRITE if write else _READ
        until = int(expires_at.timestamp())
        return f"{mode}.{until}.{self._mac(run_id, workspace_id, mode, until)}"

    def admit(self, workspace_id: str, run_id: str, token: str) -> Grant | None:
        """Return what a token allows, None where it is not ours, for another run or workspace, or expired.

        Whether the run may still use it is asked in the transaction that does the work.
        """
        mode, _, rest = token.partition(".")
        until, _, mac = rest.partition(".")
        if mode not in (_READ, _WRITE) or not (until.isascii() and until.isdigit() and len(until) < 13):
            return None
        expected = self._mac(run_id, workspace_id, mode, int(until))
        if not hmac.compare_digest(expected.encode(), mac.encode("utf-8", "surrogateescape")):
            return None
        if self._clock.now().astimezone(UTC).timestamp() >= int(until):
            return None
        return Grant(run_id, workspace_id, mode == _WRITE)

    def pull(self, grant: Grant) -> bytes | None:
        """Return the current state, None where there is none yet. Raises Forbidden."""
        with self._store.reading() as tx:
            self._run(tx, grant)
            current = tx.states.current(grant.workspace_id)
            return None if current is None else tx.states.data(current.id)

    def push(self, grant: Grant, data: bytes, lock_id: str = "", content_md5: str = "") -> None:
        """Make an upload the workspace's current state; the very state that is current already is no change.

        `content_md5` is base64, as in the header; `lock_id` is what Terraform believes it holds. What is
        refused is kept aside with its reason. Raises Forbidden, Invalid, Conflict.
        """
        digest = hashlib.md5(data, usedforsecurity=False)
        parsed = read_header(data)
        with self._store.transaction() as tx:
            try:
                self._may_push(tx, grant, lock_id)
                _check_md5(content_md5, digest.digest())
                if parsed.wrong:
                    raise Invalid(f"this is no Terraform state: {parsed.wrong}")
                current = tx.states.current(grant.workspace_id)
                if current is not None and _follows(current, parsed, digest.hexdigest()):
                    return
                refusal: PlangateError | None = None
            except (Forbidden, Invalid, Conflict) as problem:
                if not grant.write:
                    raise
                refusal = problem
            run = tx.runs.get(grant.run_id)
            tx.states.add(new_version(run, data, str(refusal or ""), self._clock.now()), data)
        # Only now, behind the commit: the refused upload must outlive the refusal (promise 3).
        if refusal is not None:
            raise refusal

    def lock(self, grant: Grant, info: bytes) -> StateLock | None:
        """Lock the state with Terraform's lock info; return the lock in the way, None where it is ours.

        The same run locking with the same id again has only missed our answer. Raises Forbidden, Invalid.
        """
        said = json_object(info) or {}
        lock_id = word(said.get("ID"))
        if not lock_id:
            raise Invalid("LOCK needs Terraform's lock info: a JSON object with an ID")
        with self._store.transaction() as tx:
            run = self._writer(tx, grant)
            if run.final:
                raise Forbidden(f"{run.id} is finished ({run.status.value}): it may lock no more")
            standing = tx.states.locked(grant.workspace_id)
            if standing is None:
                now = self._clock.now()
                return tx.states.lock(
                    StateLock(grant.workspace_id, lock_id, grant.run_id, json.dumps(said), now)
                )
            mine = standing.run_id == grant.run_id and standing.lock_id == lock_id
            return None if mine else standing

    def unlock(self, grant: Grant, info: bytes) -> None:
        """Unlock the state. Without lock info (force-unlock) whatever the run itself holds.

        A state that is not locked is no error: the answer to an earlier UNLOCK may have been lost.
        Raises Forbidden, Invalid, Conflict.
        """
        lock_id = word((json_object(info) or {}).get("ID"))
        if info.strip() and not lock_id:
            raise Invalid("UNLOCK takes Terraform's lock info, a JSON object with an ID, or nothing")
        with self._store.transaction() as tx:
            self._writer(tx, grant)
            standing = tx.states.locked(grant.workspace_id)
            if standing is None:
                return
            if standing.run_id != grant.run_id:
                raise Forbidden(f"the state is locked by {standing.run_id}: only that run may unlock it")
            if lock_id and lock_id != standing.lock_id:
                raise Conflict(f"the state is locked with id {standing.lock_id}, not {lock_id}")
            tx.states.unlock(grant.workspace_id, standing.lock_id)

    def _mac(self, run_id: str, workspace_id: str, mode: str, until: int) -> str:
        fields = json.dumps([run_id, workspace_id, mode, until]).encode()
        mac = hmac.new(self._vault.key("state token"), fields, hashlib.sha256).digest()
        return base64.urlsafe_b64encode(mac).decode().rstrip("=")

    def _run(self, tx: Transaction, grant: Grant) -> Run:
        """Return the grant's run while it may use its token.

        A finished run may only if it still holds the lock: an apply that lost its worker keeps what
        Terraform pushes (promise 3), and nothing else outlives its run (promise 6).
        """
        try:
            run = tx.runs.get(grant.run_id)
        except NotFound:
            raise Forbidden(f"{grant.run_id} is gone") from None
        if run.workspace_id != grant.workspace_id:
            raise Forbidden(f"{run.id} is a run of another workspace")
        if run.final and not _holds(tx.states, grant):
            raise Forbidden(f"{run.id} is finished ({run.status.value}): its token is worth nothing any more")
        return run

    def _writer(self, tx: Transaction, grant: Grant) -> Run:
        """Return the grant's run if it may write, and make other writers of the workspace wait."""
        if not grant.write:
            raise Forbidden("this token may only read: previews never change a state")
        tx.workspaces.get(grant.workspace_id, for_update=True)
        run = self._run(tx, grant)
        if run.plan_only:
            raise Forbidden(f"{run.id} is a preview: previews never change a state")
        return run

    def _may_push(self, tx: Transaction, grant: Grant, lock_id: str) -> None:
        self._writer(tx, grant)
        standing = tx.states.locked(grant.workspace_id)
        if standing is None:
            if lock_id:
                raise Conflict(f"the state is not locked any more, though this upload says {lock_id}")
        elif standing.run_id != grant.run_id:
            raise Conflict(f"the state is locked by {standing.run_id}")
        elif standing.lock_id != lock_id:
            raise Conflict(f"the state is locked with id {standing.lock_id}, not {lock_id or 'none'}")


def new_version(run: Run, data: bytes, refused: str, at: datetime) -> StateVersion:
    """Return the version that keeps a run's state; `refused` says why it is kept aside, empty: it is not."""
    parsed = read_header(data)
    return StateVersion(
        id=new_id("sv"),
        workspace_id=run.workspace_id,
        run_id=run.id,
        serial=parsed.serial,
        lineage=parsed.lineage,
        md5=hashlib.md5(data, usedforsecurity=False).hexdigest(),
        created_at=at,
        size=len(data),
        refused=refused,
    )


def _holds(states: States, grant: Grant) -> bool:
    standing = states.locked(grant.workspace_id)
    return standing is not None and standing.run_id == grant.run_id


def _check_md5(content_md5: str, digest: bytes) -> None:
    if not content_md5:
        return
    try:
        said = base64.b64decode(content_md5, validate=True)
    except (binascii.Error, ValueError):
        raise Invalid("Content-MD5 is not base64") from None
    if said != digest:
        raise Invalid("Content-MD5 does not fit the body: it was damaged on its way")


def _follows(current: StateVersion, upload: Header, md5: str) -> bool:
    """Whether the upload is the current state itself. Raises Conflict where it may not come after it."""
    if upload.lineage != current.lineage:
        raise Conflict(
            f"the state's lineage is {current.lineage}: this upload is another state, {upload.lineage}"
        )
    if upload.serial < current.serial:
        raise Conflict(f"the state's serial is {current.serial} already, this upload's is {upload.serial}")
    if upload.serial > current.serial:
        return False
    if md5 != current.md5:
        raise Conflict(f"the state with serial {current.serial} has another content already")
    return True
