"""The order of applies on a change: which runs one waits for, or what must be applied first."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from bot.domain.changes.requirements import Requirement
from bot.domain.events import Change
from bot.domain.runs.lifecycle import RunStatus
from bot.domain.runs.run import Run
from bot.domain.workspaces.order import before, in_order
from bot.domain.workspaces.workspace import Workspace
from bot.services.ports import Transaction
from bot.services.runs.change_runs import runs_of_change


@dataclass(frozen=True)
class Place:
    """The runs that an apply waits for, or the workspaces that must be applied first, with the reason."""

    after: tuple[str, ...] = ()
    first: tuple[Workspace, ...] = ()
    why: str = ""


def place_of(
    tx: Transaction,
    workspace: Workspace,
    change: Change,
    touched: Sequence[Workspace],
    made: Mapping[str, Run],
) -> Place:
    """Return the place of a workspace in the order of its change's applies.

    `touched` are the change's workspaces, `made` the runs that the same command has created, by workspace.
    """
    after, first, why = [], [], ""
    for source in before(workspace, [each for each in touched if each.active]):
        run, missing = (made[source.id], "") if source.id in made else _standing(tx, source, change)
        if missing:
            first.append(source)
            why = why or f"depends on {source.name}, {missing}"
        elif run is not None:
            after.append(run.id)
    return Place(tuple(after), tuple(in_order(first)), why)


def why_others_first(
    place: Place, workspace: Workspace, refusals: Mapping[str, str], refusal_of: Callable[[Workspace], str]
) -> str:
    """Say why an apply needs others first. Suggests only what would not be refused (promise 7).

    `refusals` are those of the same command, by workspace. `refusal_of` says why another would be refused.
    """
    for source in place.first:
        if why := refusals.get(source.id) or refusal_of(source):
            return f"{place.why}, and {source.name} can't be applied now: {why}"
    codes = (Requirement.PLAN_CODE.value in each.require for each in (*place.first, workspace))
    named = zip((*place.first, workspace), codes, strict=True)
    words = " ".join(f"{each.name} CODE" if code else each.name for each, code in named)
    return f"{place.why}: comment `/apply {words}` to apply them in order"


def _standing(tx: Transaction, source: Workspace, change: Change) -> tuple[Run | None, str]:
    """Return the run of a workspace that a dependent waits for or has behind it, or what is missing."""
    if not source.merging.apply_when.before:
        return None, "which is applied after the merge"
    runs = runs_of_change(tx, source, change)
    if active := next((run for run in runs if not run.plan_only and not run.final), None):
        return active, ""
    head = [run for run in runs if run.commit == change.head_sha]
    applied = next((run for run in head if run.in_effect), None)
    preview = next((run for run in head if run.plan_only and run.status is not RunStatus.CANCELED), None)
    if preview is not None and (applied is None or preview.follows(applied)):
        if not preview.final:
            return None, "whose plan is not finished"
        if preview.status is RunStatus.ERRORED:
            return None, "whose plan failed"
        return (applied, "") if not preview.has_changes else (None, "which is not applied on this change")
    return (applied, "") if applied is not None else (None, "which has no plan of the latest commit")
