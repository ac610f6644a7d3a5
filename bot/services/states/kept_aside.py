"""States that Terraform could not push: kept aside, and made current as soon as that is right (promise 3).

A state fits if it follows the current one (same lineage, higher serial) and if nobody else has changed the
state since its run began to apply.
"""

from __future__ import annotations

import hashlib
import logging
from datetime import datetime
from enum import Enum

from bot.domain.ids import new_id
from bot.domain.runs.lifecycle import RunStatus
from bot.domain.runs.run import Run, RunEvent
from bot.domain.states.file import json_object, read_header, with_lineage
from bot.services.ports import Clock, StateVersion, Store, Transaction

log = logging.getLogger(__name__)

KIND = "state stored"
"""The line of the timeline that says that a state which was kept aside is the current one."""

NOT_PUSHED = "Terraform could not push it and left it in the working tree"


class Fate(Enum):
    """What became of a state that a run left."""

    CURRENT = "current"
    WAITS = "waits"
    REFUSED = "refused"


def new_version(run: Run, data: bytes, refused: str, at: datetime, *, waits: bool = False) -> StateVersion:
    """Return the version that stores a run's state. `refused` says why it does not become current."""
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
        waits=waits,
    )


def keep(tx: Transaction, run: Run, data: bytes, why: str, at: datetime) -> Fate:
    """Store a state that a run left: as the current one if it fits, else aside. Repeating it changes nothing.

    `why` says why Terraform could not store it.
    """
    tx.workspaces.get(run.workspace_id, for_update=True)
    data = _first(tx, run, data)
    version = new_version(run, data, why, at)
    for known in tx.states.versions(run.workspace_id, 100):
        if (known.run_id, known.md5) == (run.id, version.md5):
            return _fate(known)
    wrong = read_header(data).wrong
    never = f"this is not a Terraform state: {wrong}" if wrong else _why_never(tx, run, version)
    if never:
        version = new_version(run, data, f"{why}; {never}", at)
    elif _locked_by_another(tx, run):
        version = new_version(run, data, why, at, waits=True)
    else:
        version = new_version(run, data, "", at)
        tx.runs.note(RunEvent(run.id, at, KIND, "plangate", f"{why}: it is the current state now"))
    tx.states.add(version, data)
    return _fate(version)


class KeptStates:
    """Makes states current that had to wait for that."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    def settle(self) -> int:
        """Make current every waiting state that can be, and return their number. Safe to call often."""
        with self._store.reading() as tx:
            waiting = tx.state_history.waiting()
        return sum(self._settle(version) for version in waiting)

    def _settle(self, version: StateVersion) -> bool:
        with self._store.transaction() as tx:
            tx.workspaces.get(version.workspace_id, for_update=True)
            version, run = tx.state_history.get(version.id), tx.runs.get(version.run_id)
            if not version.waits:
                return False
            if never := _why_never(tx, run, version):
                tx.state_history.settle(version.id, refused=f"{version.refused}; {never}")
                return False
            if _locked_by_another(tx, run):
                return False
            tx.state_history.settle(version.id, refused="", note=version.refused)
            words = f"{version.refused}: it is the current state now"
            tx.runs.note(RunEvent(run.id, self._clock.now(), KIND, "plangate", words))
        log.warning("%s: its state %s is the current one now", run.id, version.id)
        return True


def _first(tx: Transaction, run: Run, data: bytes) -> bytes:
    """Return a state with a lineage if it is the workspace's first.

    Terraform chooses the lineage when it stores the first state. If it did not get so far, there is none.
    """
    found = json_object(data)
    current = tx.states.current(run.workspace_id)
    if found is None or found.get("lineage") != "" or (current is not None and current.run_id != run.id):
        return data
    # The same one each time, so that repeating it changes nothing.
    name = hashlib.sha256(run.id.encode()).hexdigest()
    return with_lineage(data, "-".join((name[:8], name[8:12], name[12:16], name[16:20], name[20:32])))


def _fate(version: StateVersion) -> Fate:
    if not version.refused:
        return Fate.CURRENT
    return Fate.WAITS if version.waits else Fate.REFUSED


def _why_never(tx: Transaction, run: Run, version: StateVersion) -> str:
    """Say why a run's state can never follow the current one. Empty if it can."""
    current = tx.states.current(run.workspace_id)
    if current is None:
        return ""
    if version.lineage != current.lineage:
        return f"the state's lineage is {current.lineage}: this is another state, {version.lineage}"
    if version.serial <= current.serial:
        return f"the state's serial is {current.serial} already, this one's is {version.serial}"
    if current.run_id == run.id:
        return ""
    # By the order of the queue, and not by time: the clocks of two machines may differ.
    later = tx.runs.get(current.run_id).sequence > run.sequence if current.run_id else False
    if later or (not current.run_id and current.created_at >= _began(tx, run)):
        return f"the state was changed meanwhile, by {current.run_id or current.made_by}"
    return ""


def _began(tx: Transaction, run: Run) -> datetime:
    """Return when a run began to apply."""
    begun = [e.at for e in tx.runs.timeline(run.id) if e.kind == RunStatus.APPLYING.value]
    return begun[0] if begun else run.created_at


def _locked_by_another(tx: Transaction, run: Run) -> bool:
    standing = tx.states.locked(run.workspace_id)
    return standing is not None and standing.run_id != run.id
