"""What is in effect in a workspace: the run whose configuration the world should be like."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from bot.domain.runs.lifecycle import RunStatus, StageStatus
from bot.domain.runs.run import Run
from bot.domain.workspaces.drifted import DriftedResource
from bot.domain.workspaces.workspace import Workspace
from bot.services.ports import RunQuery, Transaction

_LOOKED_AT = 100
_MOST_SINCE = 10
_ENDED = frozenset(
    each.value
    for each in (RunStatus.APPLIED, RunStatus.PLANNED_AND_FINISHED, RunStatus.ERRORED, RunStatus.CANCELED)
)


@dataclass(frozen=True)
class InEffect:
    """The run whose configuration is in effect in a workspace, or `why_not` one can be named.

    `newest` is the newest run that may have changed the world or the state, whatever its modes.
    """

    run: Run | None
    newest: Run | None
    why_not: str = ""


def in_effect(tx: Transaction, workspace: Workspace) -> InEffect:
    """Find the run whose configuration is in effect: the newest one that was applied whole.

    A refresh-only or targeted run brings no configuration into effect.
    """
    query = RunQuery(workspace_id=workspace.id, plan_only=False, statuses=_ENDED, limit=_LOOKED_AT)
    acted = [run for run in tx.runs.find(query) if run.in_effect or _began_apply(run)]
    newest = acted[0] if acted else None
    for run in acted:
        if not run.in_effect:
            return InEffect(None, newest, f"the apply of {run.id} did not succeed: apply again first")
        if run.modes.destroy:
            return InEffect(None, newest, f"{run.id} has destroyed everything")
        if not run.modes.refresh_only and not run.modes.target_addrs:
            return InEffect(run, newest)
    return InEffect(None, newest, "nothing was applied here yet")


def written_since(tx: Transaction, basis: Run) -> tuple[str, ...]:
    """Say who else wrote the state after a run was applied, newest first."""
    found = []
    for version in tx.state_history.accepted(basis.workspace_id, _MOST_SINCE):
        if version.created_at <= basis.status_at:
            break
        if version.run_id != basis.id:
            note = f" ({version.note})" if version.note else ""
            found.append(f"{version.made_by or version.run_id or 'somebody'} wrote the state{note}")
    return tuple(found)


def with_last(
    tx: Transaction, workspace_id: str, drifted: Sequence[DriftedResource]
) -> tuple[DriftedResource, ...]:
    """Add who wrote each resource into the state last, as far as the index of resources knows."""
    known = dict(tx.indexed_resources.of_workspace(workspace_id))
    found = []
    for each in drifted:
        indexed = known.get(each.address) or known.get(each.address.rpartition("[")[0])
        last = indexed.run_id if indexed is not None else ""
        if indexed is not None and not last and indexed.version_id:
            last = tx.state_history.get(indexed.version_id).made_by
        found.append(replace(each, last=last or ""))
    return tuple(found)


def _began_apply(run: Run) -> bool:
    """Whether an apply began that did not succeed."""
    return run.apply_status in (StageStatus.ERRORED, StageStatus.CANCELED, StageStatus.RUNNING)
