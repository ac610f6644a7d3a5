"""What runs only at apply, for the comment: nothing of it happened when the plan was made."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from bot.domain.plans.digest import unindexed


class AtApply(StrEnum):
    """What happens at apply without having been tried."""

    PROVISIONER = "provisioner"
    ACTION = "action"
    DATA = "data source"
    EPHEMERAL = "ephemeral resource"
    DEFERRED = "deferred change"


@dataclass(frozen=True, slots=True, order=True)
class RunsAtApply:
    """One thing that happens at apply. `detail` is a provisioner's type, an action's trigger, or a reason."""

    kind: AtApply
    address: str
    detail: str

    @property
    def words(self) -> str:
        """What happens to the address, as the rest of a sentence."""
        match self.kind:
            case AtApply.PROVISIONER:
                return f"runs its provisioner `{self.detail}`"
            case AtApply.ACTION:
                return f"is started: {self.detail}"
            case AtApply.DATA:
                why = _READ.get(self.detail, "")
                return f"is read, because {why}" if why else "is read"
            case AtApply.EPHEMERAL:
                return "is opened again"
            case AtApply.DEFERRED:
                return f"is left to a later plan: {self.detail}"


_READ = {
    "read_because_config_unknown": "its arguments are known only then",
    "read_because_dependency_pending": "it depends on something that changes",
    "read_because_check_nested": "a check needs it",
}


def runs_at_apply(plan: Mapping[str, Any]) -> tuple[RunsAtApply, ...]:
    """Return what runs at apply by a decoded plan JSON, sorted."""
    declared = dict(_declared(plan))
    found = {*_of_changes(plan, declared), *_of_actions(plan)}
    for address, resource in declared.items():
        if resource.get("mode") == "ephemeral":
            found.add(RunsAtApply(AtApply.EPHEMERAL, address, "opened again"))
    return tuple(sorted(found))


def _of_changes(plan: Mapping[str, Any], declared: Mapping[str, Any]) -> Iterator[RunsAtApply]:
    for change in _objects(plan.get("resource_changes")):
        address, actions = str(change.get("address", "")), _object(change.get("change")).get("actions")
        actions = actions if isinstance(actions, list) else []
        if change.get("mode") == "data" and "read" in actions:
            yield RunsAtApply(AtApply.DATA, address, str(change.get("action_reason", "")))
        if {"create", "delete", "update"} & {action for action in actions if isinstance(action, str)}:
            resource = _object(declared.get(unindexed(address)))
            # An update runs no provisioner. JSON does not tell which provisioners run at destroy.
            if actions != ["update"]:
                for provisioner in _objects(resource.get("provisioners")):
                    yield RunsAtApply(AtApply.PROVISIONER, address, str(provisioner.get("type", "")))
    for item in _objects(plan.get("deferred_changes")):
        address = str(_object(item.get("resource_change")).get("address", ""))
        yield RunsAtApply(AtApply.DEFERRED, address, str(item.get("reason", "")))


def _of_actions(plan: Mapping[str, Any]) -> Iterator[RunsAtApply]:
    waiting = [_object(i.get("action_invocation")) for i in _objects(plan.get("deferred_action_invocations"))]
    for action in [*_objects(plan.get("action_invocations")), *waiting]:
        trigger = _object(action.get("lifecycle_action_trigger"))
        event, cause = trigger.get("action_trigger_event", ""), trigger.get("triggering_resource_address", "")
        detail = f"{event} of {cause}" if trigger else "invoked"
        yield RunsAtApply(AtApply.ACTION, str(action.get("address", "")), detail)


def _declared(plan: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Return each resource of the configuration by its address without indexes."""
    root = _object(_object(plan.get("configuration")).get("root_module"))
    waiting: list[tuple[str, Mapping[str, Any]]] = [("", root)]
    while waiting:
        prefix, module = waiting.pop()
        for resource in _objects(module.get("resources")):
            yield f"{prefix}{resource.get('address', '')}", resource
        for name, call in _object(module.get("module_calls")).items():
            waiting.append((f"{prefix}module.{name}.", _object(_object(call).get("module"))))


def _objects(found: Any) -> list[Mapping[str, Any]]:
    return [item for item in found if isinstance(item, dict)] if isinstance(found, list) else []


def _object(found: Any) -> Mapping[str, Any]:
    return found if isinstance(found, dict) else {}
