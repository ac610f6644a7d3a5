"""Our own description of the message in a saved plan, and its reader.

Names and numbers are those of `internal/plans/planproto/planfile.proto` (Terraform 1.11 to 1.15) and of
`internal/plans/internal/planproto/planfile.proto` (OpenTofu to 1.11), format version 3. The two programs use
some numbers for different things, so each has a description of its own. Enumerations are read as numbers.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory, unknown_fields
from google.protobuf.message import DecodeError, Message

from bot.domain.workspaces.workspace import EngineKind
from bot.terraform.saved_plan.faults import UnknownPlanFormat, UnreadablePlan

FORMAT_VERSION = 3

# (message, field number) of fields that may be in a plan although nothing here reads them. None so far.
HARMLESS: frozenset[tuple[str, int]] = frozenset()

# `*` repeated, `map` from text to a value, `|` member of the message's only `oneof`.
_Fields = Mapping[int, tuple[str, str]]

_BOTH: dict[str, _Fields] = {
    "Backend": {1: ("type", "string"), 2: ("config", "DynamicValue"), 3: ("workspace", "string")},
    "Change": {
        1: ("action", "int32"),
        2: ("values", "*DynamicValue"),
        3: ("before_sensitive_paths", "*Path"),
        4: ("after_sensitive_paths", "*Path"),
        5: ("importing", "Importing"),
        6: ("generated_config", "string"),
    },
    "ResourceInstanceChange": {
        7: ("deposed_key", "string"),
        8: ("provider", "string"),
        9: ("change", "Change"),
        10: ("private", "bytes"),
        11: ("required_replace", "*Path"),
        12: ("action_reason", "int32"),
        13: ("addr", "string"),
        14: ("prev_run_addr", "string"),
    },
    "OutputChange": {1: ("name", "string"), 2: ("change", "Change"), 3: ("sensitive", "bool")},
    "CheckResults": {
        1: ("kind", "int32"),
        2: ("config_addr", "string"),
        3: ("status", "int32"),
        4: ("objects", "*ObjectResult"),
    },
    "ObjectResult": {
        1: ("object_addr", "string"),
        2: ("status", "int32"),
        3: ("failure_messages", "*string"),
    },
    "DynamicValue": {1: ("msgpack", "bytes")},
    "Path": {1: ("steps", "*Step")},
    "Step": {1: ("attribute_name", "|string"), 2: ("element_key", "|DynamicValue")},
    "Importing": {1: ("id", "string")},
    "ResourceAttribute": {1: ("resource", "string"), 2: ("attr", "Path")},
}
_PLAN: _Fields = {
    1: ("version", "uint64"),
    2: ("variables", "map"),
    3: ("resource_changes", "*ResourceInstanceChange"),
    4: ("output_changes", "*OutputChange"),
    5: ("target_addrs", "*string"),
    13: ("backend", "Backend"),
    14: ("terraform_version", "string"),
    15: ("relevant_attributes", "*ResourceAttribute"),
    16: ("force_replace_addrs", "*string"),
    17: ("ui_mode", "int32"),
    18: ("resource_drift", "*ResourceInstanceChange"),
    19: ("check_results", "*CheckResults"),
    20: ("errored", "bool"),
    21: ("timestamp", "string"),
}
_TERRAFORM: dict[str, _Fields] = {
    **_BOTH,
    "Plan": {
        **_PLAN,
        22: ("function_results", "*FunctionCallHash"),
        25: ("applyable", "bool"),
        26: ("complete", "bool"),
        27: ("deferred_changes", "*DeferredChange"),
        28: ("apply_time_variables", "*string"),
        29: ("state_store", "StateStore"),
        30: ("action_invocations", "*ActionInvocation"),
        31: ("deferred_action_invocations", "*DeferredAction"),
        32: ("action_target_addrs", "*string"),
    },
    "Change": {
        **_BOTH["Change"],
        7: ("before_identity", "DynamicValue"),
        8: ("after_identity", "DynamicValue"),
    },
    "Importing": {**_BOTH["Importing"], 2: ("unknown", "bool"), 3: ("identity", "DynamicValue")},
    "FunctionCallHash": {1: ("key", "bytes"), 2: ("result", "bytes")},
    "StateStore": {**_BOTH["Backend"], 4: ("provider", "Provider")},
    "Provider": {1: ("source", "string"), 2: ("version", "string"), 3: ("config", "DynamicValue")},
    "Deferred": {1: ("reason", "int32")},
    "DeferredChange": {1: ("deferred", "Deferred"), 2: ("change", "ResourceInstanceChange")},
    "DeferredAction": {1: ("deferred", "Deferred"), 2: ("action_invocation", "ActionInvocation")},
    "ActionInvocation": {
        1: ("addr", "string"),
        2: ("provider", "string"),
        4: ("config_value", "DynamicValue"),
        5: ("sensitive_config_paths", "*Path"),
        6: ("resource_action_trigger", "|ResourceTrigger"),
        7: ("invoke_action_trigger", "|InvokeTrigger"),
    },
    "ResourceTrigger": {
        1: ("triggering_resource_addr", "string"),
        2: ("trigger_event", "int32"),
        3: ("action_trigger_block_index", "int64"),
        4: ("actions_list_index", "int64"),
        5: ("on_failure", "int32"),
    },
    "InvokeTrigger": {1: ("calling_resource_addr", "string")},
}
_TOFU: dict[str, _Fields] = {
    **_BOTH,
    "Plan": {**_PLAN, 6: ("exclude_addrs", "*string"), 22: ("ephemeral_variables", "*string")},
}
_DESCRIPTIONS = {EngineKind.TERRAFORM: _TERRAFORM, EngineKind.TOFU: _TOFU}

_SCALARS = {
    "string": descriptor_pb2.FieldDescriptorProto.TYPE_STRING,
    "bytes": descriptor_pb2.FieldDescriptorProto.TYPE_BYTES,
    "bool": descriptor_pb2.FieldDescriptorProto.TYPE_BOOL,
    "int32": descriptor_pb2.FieldDescriptorProto.TYPE_INT32,
    "int64": descriptor_pb2.FieldDescriptorProto.TYPE_INT64,
    "uint64": descriptor_pb2.FieldDescriptorProto.TYPE_UINT64,
}


def parse(data: bytes, kind: EngineKind) -> Any:
    """Return the plan's message.

    Raises UnreadablePlan for bytes that Terraform did not write, UnknownPlanFormat for another format version
    and for fields that are not described here.
    """
    plan: Message = _plan_class(kind)()
    try:
        plan.ParseFromString(data)
    except DecodeError:
        raise UnreadablePlan("the saved plan is damaged: its message can't be read") from None
    version = getattr(plan, "version")  # noqa: B009  the class is made at run time
    if version != FORMAT_VERSION:
        raise UnknownPlanFormat(
            f"the saved plan has format version {version}; Plangate reads version {FORMAT_VERSION}. "
            "Update Plangate, or use an older Terraform or OpenTofu"
        )
    unknown = sorted(set(_unknown(plan)) - HARMLESS)
    if unknown:
        listed = ", ".join(f"{message}.{number}" for message, number in unknown[:10])
        raise UnknownPlanFormat(
            f"the saved plan has fields that Plangate does not know: {listed}. "
            "Update Plangate, or use an older Terraform or OpenTofu"
        )
    # Go writes each field once and in its shortest form. Anything else may be read in two ways.
    if plan.ByteSize() != len(data):
        raise UnreadablePlan("the saved plan is not encoded as Terraform encodes it")
    return plan


def _unknown(plan: Message) -> Iterator[tuple[str, int]]:
    """Return the message and number of each field that is not described."""
    bare = type(plan)()
    bare.CopyFrom(plan)
    bare.DiscardUnknownFields()
    if bare.ByteSize() == plan.ByteSize():
        return
    waiting: list[Message] = [plan]
    while waiting:
        message = waiting.pop()
        for found in unknown_fields.UnknownFieldSet(message):  # type: ignore[attr-defined]
            yield message.DESCRIPTOR.name, found.field_number
        for field, value in message.ListFields():
            if field.message_type is None:
                continue
            if field.message_type.GetOptions().map_entry:
                waiting += value.values()
            elif isinstance(value, Message):
                waiting.append(value)
            else:
                waiting += value


@cache
def _plan_class(kind: EngineKind) -> type[Message]:
    package = f"plangate.{kind.value}"
    file = descriptor_pb2.FileDescriptorProto(name=f"{kind.value}.proto", package=package, syntax="proto3")
    for name, fields in _DESCRIPTIONS[kind].items():
        message = file.message_type.add(name=name)
        if any(form.startswith("|") for _, form in fields.values()):
            message.oneof_decl.add(name="one")
        for number, (field, form) in fields.items():
            _add(message, number, field, form, package)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{package}.Plan"))


def _add(message: Any, number: int, name: str, form: str, package: str) -> None:
    kinds = descriptor_pb2.FieldDescriptorProto
    bare = form.lstrip("*|")
    field = message.field.add(name=name, number=number)
    field.label = kinds.LABEL_REPEATED if form.startswith("*") or form == "map" else kinds.LABEL_OPTIONAL
    if form.startswith("|"):
        field.oneof_index = 0
    if form == "map":
        bare = f"{message.name}.VariablesEntry"
        entry = message.nested_type.add(name="VariablesEntry")
        entry.options.map_entry = True
        _add(entry, 1, "key", "string", package)
        _add(entry, 2, "value", "DynamicValue", package)
    if bare in _SCALARS:
        field.type = _SCALARS[bare]
    else:
        field.type = kinds.TYPE_MESSAGE
        field.type_name = f".{package}.{bare}"
