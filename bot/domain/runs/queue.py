"""A workspace's queue: the next run, and why a run waits. First in, first out (promise 2)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bot.domain.runs import lifecycle
from bot.domain.runs.lifecycle import RunStatus
from bot.domain.runs.run import Run
from bot.domain.workspaces.workspace import Lock, Workspace

NOTHING_HELD: Mapping[str, str] = {}


def next_run(
    workspace: Workspace, queue: Sequence[Run], held: Mapping[str, str] = NOTHING_HELD
) -> Run | None:
    """Return the next run to start. None while the workspace is locked or held, or no run may start.

    `queue` holds the workspace's unfinished runs that may apply, in order. `held` says of some why they wait
    for other workspaces: runs of other changes pass them, and those of the same change or branch do not.
    """
    if workspace.lock or any(run.holds_workspace for run in queue):
        return None
    waiting = [run for run in queue if run.status is RunStatus.PENDING]
    return next((run for run in waiting if not _held_up(run, waiting, held)), None)


def why_waits(
    run: Run,
    workspace: Workspace,
    queue: Sequence[Run],
    left_by: str = "",
    held: Mapping[str, str] = NOTHING_HELD,
) -> str:
    """Say why a pending run waits, and for which run. Empty if it does not wait (promise 7).

    `left_by` is a finished run whose Terraform may still write to the state. `held` is as for `next_run`.
    """
    if run.status is not RunStatus.PENDING or run.plan_only:
        return ""
    if run.id in held:
        return held[run.id]
    waiting = [other for other in queue if other.status is RunStatus.PENDING]
    passed = {
        other.id
        for other in waiting
        if other.change_number != run.change_number and _held_up(other, waiting, held)
    }
    ahead = [o for o in queue if o.id != run.id and o.id not in passed and _before(o, run)]
    if ahead:
        first = ahead[0]
        place = _ordinal(len(ahead) + 1)
        holds = _what_holds(first, ahead[-1])
        if ahead[-1].id in held:
            holds = f", which {held[ahead[-1].id]}"
        # A lock that is set while a run holds the workspace is not the reason: the holder continues.
        locked = f"; {_locked(workspace.lock)}" if workspace.lock and not first.holds_workspace else ""
        return f"{place} in the queue, behind {ahead[-1].id}{holds}{locked}"
    if workspace.lock:
        return _locked(workspace.lock)
    if left_by:
        return f"the worker of {left_by} was lost, and its Terraform may still write to the state"
    return ""


def _held_up(run: Run, waiting: Sequence[Run], held: Mapping[str, str]) -> bool:
    """Whether a run, or one before it of the same change or branch, waits for another workspace."""
    # Queues are long, and mostly nothing is held.
    return bool(held) and (
        run.id in held or any(other.id in held and run.follows(other) for other in waiting)
    )


def _locked(lock: Lock) -> str:
    because = f": {lock.reason}" if lock.reason else ""
    return f"the workspace is locked by {lock.by}{because}"


def _before(other: Run, run: Run) -> bool:
    return other.holds_workspace or other.sequence < run.sequence


def holds_by(run: Run) -> str:
    """Say how a run holds its workspace, in a word or two per stage. Empty if it does not.

    Coarse on purpose: each change of it updates the waiting runs on the forge.
    """
    if not run.holds_workspace:
        return ""
    if run.status in lifecycle.AWAITS_PERSON:
        return "policy override" if run.status is RunStatus.POLICY_OVERRIDE else "needs confirmation"
    return "applying" if run.status in lifecycle.APPLY_STAGES else "planning"


def _what_holds(holder: Run, last: Run) -> str:
    if not holder.holds_workspace:
        return ""
    who = "" if holder.id == last.id else f"; {holder.id} holds the workspace"
    return f"{who} ({holds_by(holder)})"


def _ordinal(number: int) -> str:
    suffix = "th" if number % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{suffix}"
