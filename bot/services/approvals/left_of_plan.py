"""Whether a retry's plan is exactly what a failed apply has left: fetches what the rule needs (promise 1).

What was done is read from the states that the apply stored, never from its output. So nothing is concluded
if a part of the state may be missing, or if anybody else has changed it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bot.domain.errors import EngineError
from bot.domain.plans.delta import DeltaKind, DeltaRow, sentence
from bot.domain.plans.progress import ApplyReader
from bot.domain.plans.rest_of_plan import HalfDone, Rest, rest_of
from bot.domain.runs.run import Run
from bot.domain.states.instances import read_objects
from bot.services.approvals.covered import made_plan
from bot.services.plans.plan_inputs import saved_inputs, state_name
from bot.services.plans.shown_plan import shown_delta
from bot.services.plans.snapshot import variables_of
from bot.services.ports import StateVersion, Transaction
from bot.services.runs import abandoned_locks
from bot.services.states.backend import ENDED

# Terraform stores a state about every 20 seconds: more than an apply of a day stores.
_MOST_VERSIONS = 5000


@dataclass(frozen=True)
class LeftOfPlan:
    """What a failed apply has left, or else `why` the plan is not exactly that."""

    rest: Rest | None = None
    why: str = ""


def left_of_plan(tx: Transaction, run: Run) -> LeftOfPlan:
    """Say whether the plan of a retry is exactly what the apply of the run before it has left."""
    assert run.rest_of is not None
    assert run.approval is not None
    old = tx.runs.get(run.rest_of.run_id)
    if why := _why_uncertain(tx, old) or _why_other_inputs(tx, old, run):
        return LeftOfPlan(why=why)
    states = _states(tx, old, run)
    if states is None:
        return LeftOfPlan(why=f"the state is not the one that {old.id} has left")
    before, after = map(read_objects, states)
    approved, now = made_plan(tx, old), made_plan(tx, run)
    if before is None or after is None or approved is None or now is None:
        return LeftOfPlan(why=f"what {old.id} has done can't be read from the states")
    apply = HalfDone(before, after, _begun(tx, old))
    try:
        found = rest_of(run.approval.digest, approved, now, apply)
    except (RecursionError, EngineError):
        # Nested too deeply, or with a lock file from before that is not read any more: it asks again.
        found = None
    if found is not None:
        return LeftOfPlan(found)
    done = {address for address, _ in before.keys() | after.keys() if _changed(apply, address)}
    rows = shown_delta(tx, old.id, run.id) or ()
    differs = sentence(tuple(row for row in rows if not _is_done(row, done)))
    return LeftOfPlan(why=differs or "the same resources, but another plan")


def _why_uncertain(tx: Transaction, old: Run) -> str:
    """Say why the stored states may not have everything that the apply did. Empty if they do.

    Terraform unlocks the state after it has stored all. One that was killed did not, and its lock was left.
    """
    kinds = {event.kind for event in tx.runs.timeline(old.id)}
    standing = tx.states.locked(old.workspace_id)
    lost = old.cut_off and ENDED not in kinds
    if lost or abandoned_locks.KIND in kinds or (standing is not None and standing.run_id == old.id):
        return f"it is not certain what {old.id} has done"
    if any(each.run_id == old.id and each.refused for each in _versions(tx, old)):
        return f"a state that {old.id} has left was not stored as the current one"
    return ""


def _why_other_inputs(tx: Transaction, old: Run, run: Run) -> str:
    before, now = saved_inputs(tx, old.id), saved_inputs(tx, run.id)
    if before is None or now is None or not before.state or not now.state:
        return "Plangate does not store the state, so it can't know what was done"
    if old.files_of != run.files_of or old.modes != run.modes:
        return "it is of another commit"
    if before.settings != now.settings:
        return "the workspace's settings have changed"
    if variables_of(tx, old.id) != variables_of(tx, run.id):
        return "variables have changed"
    if (before.configuration, before.providers) != (now.configuration, now.providers):
        return "it is made with other modules or providers"
    return ""


def _states(tx: Transaction, old: Run, run: Run) -> tuple[bytes, bytes] | None:
    """Return the states that the two plans were made on, if only the old run has stored any between them."""
    before, now = saved_inputs(tx, old.id), saved_inputs(tx, run.id)
    assert before is not None
    assert now is not None
    current = tx.states.current(run.workspace_id)
    if now.state != state_name(current):
        return None
    after = b"" if current is None else tx.states.data(current.id)
    for version in _versions(tx, old):
        if state_name(version) == before.state:
            return tx.states.data(version.id), after
        if version.run_id != old.id:
            return None
    return (b"", after) if before.state == state_name(None) else None


def _versions(tx: Transaction, run: Run) -> Sequence[StateVersion]:
    return tx.states.versions(run.workspace_id, _MOST_VERSIONS)


def _begun(tx: Transaction, old: Run) -> frozenset[str]:
    """Return the resources that the apply began and did not end, by Terraform's output: for the words."""
    reader = ApplyReader(old.counts)
    reader.feed(tx.artifacts.output(old.id, "apply"))
    return frozenset(reader.progress.under_way)


def _changed(apply: HalfDone, address: str) -> bool:
    key = address, ""
    return apply.before.get(key) != apply.after.get(key)


def _is_done(row: DeltaRow, done: set[str]) -> bool:
    return row.kind is DeltaKind.REMOVED and (row.address in done or row.address.startswith("output."))
