"""Decodes a saved plan: from the bytes that are applied to plain values."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from bot.domain.workspaces.workspace import EngineKind
from bot.terraform.saved_plan import model
from bot.terraform.saved_plan.addresses import parse_address, provider_source
from bot.terraform.saved_plan.archive import members
from bot.terraform.saved_plan.description import parse
from bot.terraform.saved_plan.documents import load
from bot.terraform.saved_plan.faults import UnknownPlanFormat, UnreadablePlan
from bot.terraform.saved_plan.model import Action, Mode, SavedPlan
from bot.terraform.saved_plan.values import Typed, Value, decode_typed, decode_value

_PLAN, _STATE, _PREVIOUS, _LOCKS = "tfplan", "tfstate", "tfstate-prev", ".terraform.lock.hcl"
_MANIFEST, _MODULE = "tfconfig/modules.json", "tfconfig/m-"
_NOTHING = Typed(None, None)

# What a number in the plan means. The values that follow an action: which is before, which is after.
_ACTIONS = {
    0: (Action.NO_OP, 0, 0),
    1: (Action.CREATE, None, 0),
    2: (Action.READ, 0, 1),
    3: (Action.UPDATE, 0, 1),
    5: (Action.DELETE, 0, None),
    6: (Action.DELETE_THEN_CREATE, 0, 1),
    7: (Action.CREATE_THEN_DELETE, 0, 1),
    8: (Action.FORGET, 0, None),
}
_NINTH = {
    EngineKind.TERRAFORM: (Action.CREATE_THEN_FORGET, 0, 1),
    EngineKind.TOFU: (Action.OPEN, None, None),
}
_MODES = {0: Mode.NORMAL, 1: Mode.DESTROY, 2: Mode.REFRESH_ONLY}
_REASONS = {
    0: "",
    1: "replace_because_tainted",
    2: "replace_by_request",
    3: "replace_because_cannot_update",
    4: "delete_because_no_resource_config",
    5: "delete_because_wrong_repetition",
    6: "delete_because_count_index",
    7: "delete_because_each_key",
    8: "delete_because_no_module",
    9: "replace_by_triggers",
    10: "read_because_config_unknown",
    11: "read_because_dependency_pending",
    12: "delete_because_no_move_target",
    13: "read_because_check_nested",
}
_TOFU_REASONS = {**_REASONS, 14: "delete_because_enabled_false"}
_DEFERRED = {
    1: "instance_count_unknown",
    2: "resource_config_unknown",
    3: "provider_config_unknown",
    4: "absent_prereq",
    5: "deferred_prereq",
    6: "excluded",
    7: "not_included",
}
_STATUSES = {0: "unknown", 1: "pass", 2: "fail", 3: "error"}
_KINDS = {1: "resource", 2: "output_value", 3: "check", 4: "var"}
_EVENTS = {
    1: "BeforeCreate",
    2: "AfterCreate",
    3: "BeforeUpdate",
    4: "AfterUpdate",
    5: "BeforeDestroy",
    6: "AfterDestroy",
    7: "Invoke",
}
_ON_FAILURE = {0: "halt", 1: "taint", 2: "continue"}


def decode(data: bytes, kind: EngineKind = EngineKind.TERRAFORM) -> SavedPlan:
    """Return what a saved plan holds. `kind` is the program that made it.

    Raises UnreadablePlan for a file that is damaged, too large, encrypted or not as Terraform writes it, and
    UnknownPlanFormat for a version or a field that is not known here.
    """
    files = members(data)
    for name in (_PLAN, _STATE, _PREVIOUS, _LOCKS, _MANIFEST):
        if name not in files:
            raise UnreadablePlan(f"the saved plan has no {name}")
    snapshot = _snapshot(files)
    return _Reader(kind).plan(parse(files[_PLAN], kind), files, snapshot)


def _snapshot(files: Mapping[str, bytes]) -> tuple[model.SnapshotModule, ...]:
    manifest = load(files[_MANIFEST], "the list of modules in the saved plan", whole=list)
    contents: dict[str, dict[str, bytes]] = {}
    for name, content in files.items():
        if name.startswith(_MODULE):
            key, slash, file = name[len(_MODULE) :].rpartition("/")
            if not slash:
                raise UnreadablePlan(f"the saved plan has a member that belongs to no module: {name!r}")
            contents.setdefault(key, {})[file] = content
        elif name not in (_PLAN, _STATE, _PREVIOUS, _LOCKS, _MANIFEST):
            raise UnknownPlanFormat(f"the saved plan has a member that Plangate does not know: {name!r}")
    modules = []
    for record in manifest:
        if not isinstance(record, dict) or not record.keys() <= {"Key", "Source", "Version", "Dir"}:
            raise UnknownPlanFormat("the list of modules in the saved plan has an entry that is not known")
        if (
            not all(isinstance(value, str) for value in record.values())
            or not {"Key", "Dir"} <= record.keys()
        ):
            raise UnreadablePlan("the list of modules in the saved plan is damaged")
        found = contents.pop(record["Key"], {})
        source, version = record.get("Source", ""), record.get("Version", "")
        modules.append(model.SnapshotModule(record["Key"], source, version, record["Dir"], found))
    if contents or len({module.key for module in modules}) != len(modules):
        raise UnreadablePlan("the list of modules in the saved plan does not match its files")
    if "" not in {module.key for module in modules}:
        raise UnreadablePlan("the saved plan has no root module")
    return tuple(modules)


class _Reader:
    def __init__(self, kind: EngineKind) -> None:
        self._kind = kind
        self._tofu = kind == EngineKind.TOFU
        self._actions = {**_ACTIONS, 9: _NINTH[kind]}
        self._reasons = _TOFU_REASONS if self._tofu else _REASONS

    def plan(
        self, raw: Any, files: Mapping[str, bytes], snapshot: tuple[model.SnapshotModule, ...]
    ) -> SavedPlan:
        tofu = self._tofu
        at_apply = raw.ephemeral_variables if tofu else raw.apply_time_variables
        deferred = () if tofu else raw.deferred_changes
        later_actions = () if tofu else raw.deferred_action_invocations
        return SavedPlan(
            kind=self._kind,
            terraform_version=raw.terraform_version,
            timestamp=raw.timestamp,
            mode=_known(_MODES, raw.ui_mode, "mode"),
            errored=raw.errored,
            applyable=not tofu and raw.applyable,
            complete=not tofu and raw.complete,
            variables={name: decode_typed(value.msgpack) for name, value in raw.variables.items()},
            apply_time_variables=tuple(at_apply),
            resource_changes=tuple(self._resource(change) for change in raw.resource_changes),
            resource_drift=tuple(self._resource(change) for change in raw.resource_drift),
            deferred_changes=tuple(self._resource(item.change, _why(item)) for item in deferred),
            output_changes=tuple(self._output(change) for change in raw.output_changes),
            checks=tuple(_check(result) for result in raw.check_results),
            action_invocations=() if tofu else tuple(_invocation(item) for item in raw.action_invocations),
            deferred_action_invocations=tuple(
                _invocation(item.action_invocation, _why(item)) for item in later_actions
            ),
            targets=tuple(raw.target_addrs),
            excluded=tuple(raw.exclude_addrs) if tofu else (),
            action_targets=() if tofu else tuple(raw.action_target_addrs),
            force_replace=tuple(raw.force_replace_addrs),
            relevant_attributes=tuple((item.resource, _path(item.attr)) for item in raw.relevant_attributes),
            function_results=() if tofu else tuple((call.key, call.result) for call in raw.function_results),
            backend=_backend(raw, tofu),
            lock_file=files[_LOCKS],
            prior_state=_state(files[_STATE]),
            previous_state=_state(files[_PREVIOUS]),
            snapshot=snapshot,
        )

    def _resource(self, raw: Any, deferred: str = "") -> model.ResourceChange:
        if not raw.HasField("change"):
            raise UnreadablePlan(f"the saved plan has no change for {raw.addr!r}")
        place = parse_address(raw.addr)
        if place.mode not in ("managed", "data") and not (self._tofu and place.mode == "ephemeral"):
            raise UnknownPlanFormat(f"the saved plan changes a {place.mode} object, which is not known here")
        if raw.prev_run_addr:
            parse_address(raw.prev_run_addr)
        return model.ResourceChange(
            address=raw.addr,
            place=place,
            previous_address="" if raw.prev_run_addr == raw.addr else raw.prev_run_addr,
            deposed_key=raw.deposed_key,
            provider=raw.provider,
            provider_name=provider_source(raw.provider),
            change=self._change(raw.change, raw.addr),
            private_sha256=hashlib.sha256(raw.private).hexdigest() if raw.private else "",
            replace_paths=_paths(raw.required_replace),
            reason=_known(self._reasons, raw.action_reason, "reason"),
            deferred=deferred,
        )

    def _output(self, raw: Any) -> model.OutputChange:
        return model.OutputChange(raw.name, self._change(raw.change, f"output {raw.name}"), raw.sensitive)

    def _change(self, raw: Any, what: str) -> model.Change:
        action, before, after = _known(self._actions, raw.action, "action")
        values = [decode_typed(value.msgpack) for value in raw.values]
        if len(values) != max(-1 if before is None else before, -1 if after is None else after) + 1:
            raise UnreadablePlan(f"the saved plan has {len(values)} values for {what[:200]!r}: {action}")
        identities = (_NOTHING, _NOTHING)
        if not self._tofu:
            identities = (_optional(raw, "before_identity"), _optional(raw, "after_identity"))
        return model.Change(
            action=action,
            before=_NOTHING if before is None else values[before],
            after=_NOTHING if after is None else values[after],
            before_sensitive=_paths(raw.before_sensitive_paths),
            after_sensitive=_paths(raw.after_sensitive_paths),
            importing=self._importing(raw.importing) if raw.HasField("importing") else None,
            generated_config=raw.generated_config,
            before_identity=identities[0].value,
            after_identity=identities[1].value,
        )

    def _importing(self, raw: Any) -> model.Importing:
        if self._tofu:
            return model.Importing(raw.id, False, None)
        return model.Importing(raw.id, raw.unknown, _optional(raw, "identity").value)


def _known(meanings: Mapping[int, Any], number: int, what: str) -> Any:
    if number not in meanings:
        raise UnknownPlanFormat(f"the saved plan has {what} {number}, which Plangate does not know")
    return meanings[number]


def _why(raw: Any) -> str:
    return str(_known(_DEFERRED, raw.deferred.reason, "reason for deferring"))


def _optional(raw: Any, field: str) -> Typed:
    return decode_typed(getattr(raw, field).msgpack) if raw.HasField(field) else _NOTHING


def _paths(raw: Any) -> tuple[model.Path, ...]:
    return tuple(_path(path) for path in raw)


def _path(raw: Any) -> model.Path:
    steps: list[Value] = []
    for step in raw.steps:
        match step.WhichOneof("one"):
            case "attribute_name":
                steps.append(step.attribute_name)
            case "element_key":
                steps.append(decode_value(step.element_key.msgpack))
            case _:
                raise UnreadablePlan("the saved plan has a path with a step that leads nowhere")
    return tuple(steps)


def _check(raw: Any) -> model.CheckResult:
    objects = (
        model.CheckedObject(
            item.object_addr, _known(_STATUSES, item.status, "check status"), tuple(item.failure_messages)
        )
        for item in raw.objects
    )
    kind = _known(_KINDS, raw.kind, "kind of check")
    return model.CheckResult(
        kind, raw.config_addr, _known(_STATUSES, raw.status, "check status"), tuple(objects)
    )


def _invocation(raw: Any, deferred: str = "") -> model.ActionInvocation:
    place = parse_address(raw.addr)
    trigger = raw.WhichOneof("one")
    if place.mode != "action" or trigger is None:
        raise UnreadablePlan(
            f"the saved plan has an action without a trigger, or a wrong one: {raw.addr[:200]!r}"
        )
    invoked = trigger == "invoke_action_trigger"
    cause = raw.resource_action_trigger
    return model.ActionInvocation(
        address=raw.addr,
        place=place,
        provider=raw.provider,
        provider_name=provider_source(raw.provider),
        config=_optional(raw, "config_value").value,
        config_sensitive=_paths(raw.sensitive_config_paths),
        invoked=invoked,
        triggered_by=raw.invoke_action_trigger.calling_resource_addr
        if invoked
        else cause.triggering_resource_addr,
        event="" if invoked else _known(_EVENTS, cause.trigger_event, "event"),
        block_index=0 if invoked else cause.action_trigger_block_index,
        list_index=0 if invoked else cause.actions_list_index,
        on_failure="" if invoked else _known(_ON_FAILURE, cause.on_failure, "rule for failures"),
        deferred=deferred,
    )


def _backend(raw: Any, tofu: bool) -> model.StateStore:
    store = not tofu and raw.HasField("state_store")
    if store == raw.HasField("backend"):
        raise UnreadablePlan("the saved plan does not say in one place where the state is kept")
    place = raw.state_store if store else raw.backend
    config = _optional(place, "config").value
    if not store:
        return model.StateStore(place.type, config, place.workspace)
    provider = place.provider
    return model.StateStore(
        place.type,
        config,
        place.workspace,
        provider.source,
        provider.version,
        _optional(provider, "config").value,
    )


def _state(data: bytes) -> model.EmbeddedState:
    return model.EmbeddedState(hashlib.sha256(data).hexdigest(), load(data, "a state in the saved plan"))
