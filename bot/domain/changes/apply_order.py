"""The order of applies on a change: which runs one waits for, or what must be applied first."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from bot.domain.changes.requirements import Requirement
from bot.domain.events import Change
from bot.domain.runs.lifecycle import RunStatus
from bot.domain.runs.run import Run
from bot.domain.workspaces.order import Order
from bot.domain.workspaces.workspace import Workspace

_APPLY = "/apply "


@dataclass(frozen=True)
class ApplyPlace:
    """The runs that an apply waits for, or the workspaces that must be applied first, with the reason."""

    after: tuple[str, ...] = ()
    first: tuple[Workspace, ...] = ()
    why: str = ""


def place_of(
    workspace: Workspace,
    change: Change,
    order: Order,
    runs_in: Callable[[Workspace], Sequence[Run]],
    made: Mapping[str, Run] | None = None,
) -> ApplyPlace:
    """Return the place of a workspace in the order of its change's applies.

    `order` is that of the change's workspaces, `runs_in` returns the change's runs in one, newest first.
    `made` are the runs that the same command has created, by workspace.
    """
    after, first, why = [], [], ""
    for source in (each for each in order.before(workspace) if each.active):
        new = (made or {}).get(source.id)
        run, missing = (new, "") if new else _standing(source, change, runs_in(source))
        if missing:
            first.append(source)
            why = why or f"depends on {source.name}, {missing}"
        elif run is not None:
            after.append(run.id)
    return ApplyPlace(tuple(after), tuple(order.sorted(first)), why)


def place_of_destroy(workspace: Workspace, order: Order, made: Mapping[str, Run]) -> ApplyPlace:
    """Return the place of an apply that destroys everything: after those that depend on the workspace.

    It waits only for runs of the same command that destroy, too.
    """
    dependents = [e for e in order.workspaces if any(s.id == workspace.id for s in order.before(e))]
    destroys = [made[each.id] for each in dependents if each.id in made and made[each.id].modes.destroy]
    return ApplyPlace(tuple(run.id for run in destroys))


def why_others_first(
    place: ApplyPlace,
    workspace: Workspace,
    refusals: Mapping[str, str],
    refusal_of: Callable[[Workspace], str],
) -> str:
    """Say why an apply needs others first. Suggests only what would not be refused (promise 7).

    `refusals` are those of the same command, by workspace. `refusal_of` says why another would be refused.
    """
    blocked = why_not_in_order(place, lambda source: refusals.get(source.id) or refusal_of(source))
    return blocked or f"{place.why}: comment `{_APPLY}{_names(place, workspace)}` to apply them in order"


def why_not_in_order(place: ApplyPlace, refusal_of: Callable[[Workspace], str]) -> str:
    """Say why a command that also names what is applied first would be refused. Empty if it would not."""
    for source in place.first:
        if not source.merging.apply_when.before:
            return f"{place.why}: merge this change first"
        if why := refusal_of(source):
            return f"{place.why}, and {source.name} can't be applied now: {why}"
    return ""


def step_in_order(place: ApplyPlace, workspace: Workspace, steps: Mapping[str, str]) -> str:
    """Return the next command of a workspace that is applied after others. Empty if there is none yet.

    `steps` are the next commands by workspace, as if they had no order.
    """
    wanted = [steps.get(each.id, "") for each in (*place.first, workspace)]
    if not place.first or not wanted[-1].startswith(_APPLY):
        return wanted[-1]
    applies_now = all(each.merging.apply_when.before for each in place.first)
    if not applies_now or not all(step.startswith(_APPLY) for step in wanted):
        return ""
    return _APPLY + " ".join(step.removeprefix(_APPLY) for step in wanted)


def _names(place: ApplyPlace, workspace: Workspace) -> str:
    every = (*place.first, workspace)
    by_code = Requirement.PLAN_CODE.value
    return " ".join(f"{each.name} CODE" if by_code in each.require else each.name for each in every)


def _standing(source: Workspace, change: Change, runs: Sequence[Run]) -> tuple[Run | None, str]:
    """Return the run of a workspace that a dependent comes after, or what is missing."""
    if not source.merging.apply_when.before:
        return None, "which is applied after the merge"
    mine = [run for run in runs if run.change_number == change.number]
    if active := next((run for run in mine if not run.plan_only and not run.final), None):
        return active, ""
    head = [run for run in mine if run.commit == change.head_sha]
    applied = next((run for run in head if run.in_effect), None)
    preview = next((run for run in head if run.plan_only and run.status is not RunStatus.CANCELED), None)
    if preview is not None and (applied is None or preview.follows(applied)):
        if not preview.final:
            return None, "whose plan is not finished"
        if preview.status is RunStatus.ERRORED:
            return None, "whose plan failed"
        return (None, "which is not applied on this change") if preview.has_changes else (applied, "")
    return (applied, "") if applied is not None else (None, "which has no plan of the latest commit")
