"""Terraform's `http` backend: stores states, checks who may read and write, refuses wrong uploads.

A run's processes get a token for that run, its workspace and one phase. Only an apply's token writes, and
only while its run applies. Nothing that Terraform sends is lost: an upload that may not become the current
state is stored separately (promise 3).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

from bot.domain.errors import Conflict, Forbidden, Invalid, NotFound, PlangateError, StoreBusy
from bot.domain.runs.lifecycle import APPLY_STAGES, PLAN_STAGES, RunStatus
from bot.domain.runs.run import Run, RunEvent
from bot.domain.states.file import StateHeader, json_object, read_header, word
from bot.services.metrics.catalogue import STATE_PUSHES
from bot.services.metrics.series import SilentMeter
from bot.services.ports import Clock, Meter, StateLock, States, StateVersion, Store, Transaction, Vault
from bot.services.runs import abandoned_locks
from bot.services.states.kept_aside import NOT_PUSHED, Fate, keep, new_version
from bot.services.states.resource_index import ResourceIndex

STATE_LIMIT = 256 * 1024 * 1024
"""The largest state, in bytes."""

RETRY_SECONDS = 10
"""How long Terraform waits before it asks again, if the database does not answer."""

ENDED = "terraform ended"
"""The line of the timeline that says how the Terraform of a lost worker ended."""

SUCCEEDED, FAILED = "everything was applied", "not everything was applied"

_PLANNING = PLAN_STAGES - {RunStatus.POLICY_CHECKING}


class Access(StrEnum):
    """What a token is good for: to read, also to lock and unlock, or also to write.

    A preview reads, the plan of a run that may apply locks, and only its apply writes.
    """

    READ = "r"
    LOCK = "l"
    WRITE = "w"


@dataclass(frozen=True)
class Grant:
    """The permissions of a valid token: one run, in one workspace, in one phase."""

    run_id: str
    workspace_id: str
    access: Access


class StateService:
    """Reads, writes, locks and unlocks a workspace's state for the run that has the token."""

    def __init__(self, store: Store, vault: Vault, clock: Clock, meter: Meter | None = None) -> None:
        self._meter = meter or SilentMeter()
        self._store = store
        self._clock = clock
        self._vault = vault
        self._resource_index = ResourceIndex(store, vault)

    def token(self, run_id: str, workspace_id: str, access: Access, expires_at: datetime) -> str:
        """Return the password of one run for one workspace's state. It is not stored.

        `expires_at` is aware. It must be after the longest stage of the run: a state that Terraform pushes
        with an expired token is not even stored separately.
        """
        until = int(expires_at.timestamp())
        return f"{access.value}.{until}.{self._mac(run_id, workspace_id, access.value, until)}"

    def admit(self, workspace_id: str, run_id: str, token: str) -> Grant | None:
        """Return the permissions of a token. None if it is not valid for the run and workspace, or expired.

        The transaction that does the work checks whether the run may still use it.
        """
        mode, _, rest = token.partition(".")
        until, _, mac = rest.partition(".")
        if mode not in list(Access) or not (until.isascii() and until.isdigit() and len(until) < 13):
            return None
        expected = self._mac(run_id, workspace_id, mode, int(until))
        if not hmac.compare_digest(expected.encode(), mac.encode("utf-8", "surrogateescape")):
            return None
        if self._clock.now().astimezone(UTC).timestamp() >= int(until):
            return None
        return Grant(run_id, workspace_id, Access(mode))

    def pull(self, grant: Grant) -> bytes | None:
        """Return the current state, None if there is none yet. Raises Forbidden."""
        with self._store.reading() as tx:
            self._run(tx, grant)
            current = tx.states.current(grant.workspace_id)
            return None if current is None else tx.states.data(current.id)

    def push(self, grant: Grant, data: bytes, lock_id: str = "", content_md5: str = "") -> None:
        """Store an upload as the workspace's current state. An upload of the same state changes nothing.

        `content_md5` is base64, as in the header. `lock_id` is the lock that Terraform believes to hold. A
        refused upload is stored separately with its reason. Raises Forbidden, Invalid, Conflict.
        """
        digest = hashlib.md5(data, usedforsecurity=False)
        parsed = read_header(data)
        with self._store.transaction() as tx:
            try:
                self._may_push(tx, grant, lock_id)
                _check_md5(content_md5, digest.digest())
                if parsed.wrong:
                    raise Invalid(f"this is not a Terraform state: {parsed.wrong}")
                current = tx.states.current(grant.workspace_id)
                if current is not None and _follows(current, parsed, digest.hexdigest()):
                    return
                refusal: PlangateError | None = None
            except (Forbidden, Invalid, Conflict) as problem:
                if grant.access is not Access.WRITE or isinstance(problem, StoreBusy):
                    raise
                refusal = problem
            run, now = tx.runs.get(grant.run_id), self._clock.now()
            if refusal is not None and run.cut_off and not isinstance(refusal, Invalid):
                # Nobody saw how this apply ended, so its state is the truest one there is, if it fits.
                refusal = None if keep(tx, run, data, str(refusal), now) is Fate.CURRENT else refusal
            else:
                tx.states.add(new_version(run, data, str(refusal or ""), now), data)
        # Only now, after the commit: the refused upload must survive the refusal (promise 3).
        self._meter.count(STATE_PUSHES, outcome="refused" if refusal else "stored")
        if refusal is not None:
            raise refusal
        self._resource_index.follow(grant.workspace_id)

    def end(self, grant: Grant, data: bytes, *, succeeded: bool) -> None:
        """Take what the Terraform of a lost worker left. It has ended, so its lock is released.

        `data` is the state that it could not push, empty if it could. `succeeded` says whether everything
        was applied. Raises Forbidden; even then the state is kept.
        """
        if grant.access is not Access.WRITE:
            raise Forbidden("this token is for a plan: only an apply writes a state")
        with self._store.transaction() as tx:
            tx.workspaces.get(grant.workspace_id, for_update=True)
            run, now = tx.runs.get(grant.run_id), self._clock.now()
            expected = run.status is RunStatus.APPLYING or run.cut_off
            if data and expected:
                keep(tx, run, data, NOT_PUSHED, now)
            elif data:
                tx.states.add(new_version(run, data, f"{run.id} is {run.status.value}", now), data)
            if expected:
                words = SUCCEEDED if succeeded else FAILED
                if not any(event.kind == ENDED for event in tx.runs.timeline(run.id)):
                    tx.runs.note(RunEvent(run.id, now, ENDED, "plangate", words))
                abandoned_locks.release(tx, run, now, "its Terraform ended without unlocking it")
        self._resource_index.follow(grant.workspace_id)
        if not expected:
            raise Forbidden(f"{run.id} is {run.status.value}: nothing was expected of it any more")

    def lock(self, grant: Grant, info: bytes) -> StateLock | None:
        """Lock the state with Terraform's lock info. Return the lock that prevents it, None if it is ours.

        Locking again with the same id succeeds: the first answer was lost. Raises Forbidden, Invalid.
        """
        said = json_object(info) or {}
        lock_id = word(said.get("ID"))
        if not lock_id:
            raise Invalid("LOCK needs Terraform's lock info: a JSON object with an ID")
        with self._store.transaction() as tx:
            run = self._holder(tx, grant)
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
        """Unlock the state. Without lock info (force-unlock), any lock that the run itself holds.

        An unlocked state is not an error: the answer to an earlier UNLOCK may have been lost.
        Raises Forbidden, Invalid, Conflict.
        """
        lock_id = word((json_object(info) or {}).get("ID"))
        if info.strip() and not lock_id:
            raise Invalid("UNLOCK takes Terraform's lock info, a JSON object with an ID, or nothing")
        with self._store.transaction() as tx:
            self._holder(tx, grant)
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
        """Return the grant's run if it may use its token.

        A finished run may use it only while it holds the lock: the apply of a lost worker can still push its
        state (promise 3). No other access outlives its run (promise 6).
        """
        try:
            run = tx.runs.get(grant.run_id)
        except NotFound:
            raise Forbidden(f"{grant.run_id} is gone") from None
        if run.workspace_id != grant.workspace_id:
            raise Forbidden(f"{run.id} is a run of another workspace")
        if run.final and not _holds(tx.states, grant):
            raise Forbidden(f"{run.id} is finished ({run.status.value}): its token is no longer valid")
        stages = APPLY_STAGES if grant.access is Access.WRITE else _PLANNING
        if not run.final and run.status not in stages:
            phase = "apply" if grant.access is Access.WRITE else "plan"
            raise Forbidden(f"this token is for the {phase} of {run.id}, which is {run.status.value} now")
        return run

    def _holder(self, tx: Transaction, grant: Grant) -> Run:
        """Return the grant's run if it may lock, and make others of the workspace wait."""
        if grant.access is Access.READ:
            raise Forbidden("this token may only read: previews never change a state")
        tx.workspaces.get(grant.workspace_id, for_update=True)
        run = self._run(tx, grant)
        if run.plan_only:
            raise Forbidden(f"{run.id} is a preview: previews never change a state")
        return run

    def _may_push(self, tx: Transaction, grant: Grant, lock_id: str) -> None:
        self._holder(tx, grant)
        if grant.access is not Access.WRITE:
            raise Forbidden("this token is for a plan: only an apply writes a state")
        standing = tx.states.locked(grant.workspace_id)
        if standing is None:
            if lock_id:
                raise Conflict(f"the state is not locked any more, though this upload says {lock_id}")
        elif standing.run_id != grant.run_id:
            raise Conflict(f"the state is locked by {standing.run_id}")
        elif standing.lock_id != lock_id:
            raise Conflict(f"the state is locked with id {standing.lock_id}, not {lock_id or 'none'}")


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


def _follows(current: StateVersion, upload: StateHeader, md5: str) -> bool:
    """Whether the upload equals the current state. Raises Conflict if it may not follow it."""
    if upload.lineage != current.lineage:
        raise Conflict(
            f"the state's lineage is {current.lineage}: this upload is another state, {upload.lineage}"
        )
    if upload.serial < current.serial:
        raise Conflict(f"the state's serial is {current.serial} already, this upload's is {upload.serial}")
    if upload.serial > current.serial:
        return False
    if md5 != current.md5:
        raise Conflict(f"the state with serial {current.serial} has different content already")
    return True
