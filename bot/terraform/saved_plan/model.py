"""A saved plan as plain values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

from bot.domain.workspaces.workspace import EngineKind
from bot.terraform.saved_plan.addresses import Address
from bot.terraform.saved_plan.values import Typed, Value

# From a value to a part of it: names of attributes, keys, and numbers of elements.
Path: TypeAlias = tuple[Value, ...]


class Action(StrEnum):
    """What is planned for an object."""

    NO_OP = "no-op"
    CREATE = "create"
    READ = "read"
    UPDATE = "update"
    DELETE = "delete"
    DELETE_THEN_CREATE = "delete, create"
    CREATE_THEN_DELETE = "create, delete"
    FORGET = "forget"
    CREATE_THEN_FORGET = "create, forget"
    OPEN = "open"

    @property
    def words(self) -> list[str]:
        """The action as `show -json` writes it."""
        return ["Open"] if self is Action.OPEN else self.value.split(", ")


class Mode(StrEnum):
    """How the plan was made."""

    NORMAL = "normal"
    DESTROY = "destroy"
    REFRESH_ONLY = "refresh-only"


@dataclass(frozen=True, slots=True)
class Importing:
    """Where an object is imported from: an id, an identity, or something that is not known yet."""

    id: str
    unknown: bool
    identity: Value


@dataclass(frozen=True, slots=True)
class Change:
    """From one value to another. Paths lead to what the plan, not a provider's schema, marks as sensitive."""

    action: Action
    before: Typed
    after: Typed
    before_sensitive: tuple[Path, ...]
    after_sensitive: tuple[Path, ...]
    importing: Importing | None
    generated_config: str
    before_identity: Value
    after_identity: Value


@dataclass(frozen=True, slots=True)
class ResourceChange:
    """What is planned for one object of a resource.

    `previous_address` is empty if the address is as before. `provider` is the address of a provider's
    configuration: `provider["registry.terraform.io/hashicorp/null"].alias`. `private_sha256` is empty if the
    provider left nothing. `deferred` is why the change waits for a later plan.
    """

    address: str
    place: Address
    previous_address: str
    deposed_key: str
    provider: str
    provider_name: str
    change: Change
    private_sha256: str
    replace_paths: tuple[Path, ...]
    reason: str
    deferred: str = ""


@dataclass(frozen=True, slots=True)
class OutputChange:
    """What is planned for an output of the root module."""

    name: str
    change: Change
    sensitive: bool


@dataclass(frozen=True, slots=True)
class CheckedObject:
    """The result of the checks of one object."""

    address: str
    status: str
    problems: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class CheckResult:
    """Results of what one block checks. `kind` is resource, output_value, check or var."""

    kind: str
    address: str
    status: str
    objects: tuple[CheckedObject, ...]


@dataclass(frozen=True, slots=True)
class ActionInvocation:
    """An action that runs at apply.

    `triggered_by` is the resource whose change starts it, and `event` when; both are empty if a person asked.
    """

    address: str
    place: Address
    provider: str
    provider_name: str
    config: Value
    config_sensitive: tuple[Path, ...]
    invoked: bool
    triggered_by: str
    event: str
    block_index: int
    list_index: int
    on_failure: str
    deferred: str = ""


@dataclass(frozen=True, slots=True)
class StateStore:
    """Where the state is kept: a backend, or a provider's state store with that provider."""

    type: str
    config: Value
    workspace: str
    provider: str = ""
    provider_version: str = ""
    provider_config: Value = None


@dataclass(frozen=True, slots=True)
class EmbeddedState:
    """A state in the plan: its hash and its JSON, in which numbers are exact."""

    sha256: str
    document: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class SnapshotModule:
    """A module of the configuration as the apply will use it. `key` is its path (`a.b`), empty for the root.

    `directory` is relative to the working directory.
    """

    key: str
    source: str
    version: str
    directory: str
    files: Mapping[str, bytes]


@dataclass(frozen=True, slots=True)
class SavedPlan:
    """Everything that a saved plan holds."""

    kind: EngineKind
    terraform_version: str
    timestamp: str
    mode: Mode
    errored: bool
    applyable: bool
    complete: bool
    variables: Mapping[str, Typed]
    apply_time_variables: tuple[str, ...]
    resource_changes: tuple[ResourceChange, ...]
    resource_drift: tuple[ResourceChange, ...]
    deferred_changes: tuple[ResourceChange, ...]
    output_changes: tuple[OutputChange, ...]
    checks: tuple[CheckResult, ...]
    action_invocations: tuple[ActionInvocation, ...]
    deferred_action_invocations: tuple[ActionInvocation, ...]
    targets: tuple[str, ...]
    excluded: tuple[str, ...]
    action_targets: tuple[str, ...]
    force_replace: tuple[str, ...]
    relevant_attributes: tuple[tuple[str, Path], ...]
    function_results: tuple[tuple[bytes, bytes], ...]
    backend: StateStore
    lock_file: bytes
    prior_state: EmbeddedState
    previous_state: EmbeddedState
    snapshot: tuple[SnapshotModule, ...]
