"""A plan, read from `terraform show -json`: what changes, how much, and how two plans differ.

Format: https://developer.hashicorp.com/terraform/internals/json-format (format_version 1.x).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from bot.domain.errors import EngineError


@dataclass(frozen=True)
class Counts:
    """How many resources a plan (or an apply) adds, changes, destroys and imports."""

    add: int = 0
    change: int = 0
    destroy: int = 0
    imports: int = 0

    def __str__(self) -> str:
        return f"+{self.add} ~{self.change} -{self.destroy}"

    def __bool__(self) -> bool:
        return any((self.add, self.change, self.destroy, self.imports))


@dataclass(frozen=True)
class ResourceChange:
    """One resource's change. `actions` as in the plan JSON: `("delete", "create")` is a replacement."""

    address: str
    actions: tuple[str, ...]
    previous_address: str = ""
    importing: bool = False

    @property
    def symbol(self) -> str:
        """The sign that Terraform prints before the resource."""
        match self.actions:
            case ("create",):
                return "+"
            case ("delete",):
                return "-"
            case ("update",):
                return "~"
            case ("delete", "create"):
                return "-/+"
            case ("create", "delete"):
                return "+/-"
            case ("read",):
                return "<="
            case ("forget",):
                return "."
            case _:
                return " "


@dataclass(frozen=True)
class Plan:
    """What a plan would do: the resources that change, in the plan's order, and the outputs that do.

    `drift` is what changed outside of Terraform, or is gone.
    """

    resources: tuple[ResourceChange, ...]
    outputs: tuple[str, ...]
    counts: Counts
    drifted: int = 0
    keeps_drift: bool = False
    drift: tuple[ResourceChange, ...] = ()

    @property
    def has_changes(self) -> bool:
        """Whether applying would do anything: to a resource, an address, an output, or the state alone."""
        return bool(self.resources or self.outputs or self.keeps_drift)


def load_plan_json(raw: bytes, *, exact: bool = False) -> dict[str, Any]:
    """Decode the plan JSON. Raises EngineError if it is none.

    With `exact`, a number that is not written as an integer is a Decimal: as floats, different numbers can be
    the same.
    """
    try:
        document = json.loads(raw, parse_float=Decimal if exact else None)
    except RecursionError:
        raise EngineError("the plan nests values too deeply to be read: flatten them") from None
    except ValueError as error:
        raise EngineError("Terraform's plan could not be read: `show -json` gave no JSON") from error
    if not isinstance(document, dict) or not str(document.get("format_version", "")).startswith("1."):
        raise EngineError("Terraform's plan has a format that this version of Plangate does not know")
    return document


def read_plan(document: Mapping[str, Any]) -> Plan:
    """Read the changes from a decoded plan JSON; reads and no-ops are left out, moves and imports are not."""
    resources = []
    for item in document.get("resource_changes") or ():
        change = item.get("change", {})
        actions = tuple(change.get("actions", ()))
        resource = ResourceChange(
            address=str(item.get("address", "")),
            actions=actions,
            previous_address=str(item.get("previous_address", "")),
            importing=bool(change.get("importing")),
        )
        if actions == ("read",):
            continue
        if actions != ("no-op",) or resource.previous_address or resource.importing:
            resources.append(resource)
    outputs = tuple(
        sorted(
            name
            for name, change in (document.get("output_changes") or {}).items()
            if tuple(change.get("actions", ())) != ("no-op",)
        )
    )
    drifted = len(document.get("resource_drift") or ())
    drift = tuple(
        ResourceChange(str(item.get("address", "")), tuple((item.get("change") or {}).get("actions", ())))
        for item in document.get("resource_drift") or ()
    )
    # A refresh-only plan says that it may be applied though it changes no resource: the state follows them.
    keeps_drift = bool(drifted and not resources and document.get("applyable"))
    return Plan(tuple(resources), outputs, _count(resources), drifted, keeps_drift, drift)


def _count(resources: Iterable[ResourceChange]) -> Counts:
    add = change = destroy = imports = 0
    for resource in resources:
        add += "create" in resource.actions
        destroy += "delete" in resource.actions
        change += "update" in resource.actions
        imports += resource.importing
    return Counts(add, change, destroy, imports)
