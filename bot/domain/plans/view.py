"""A plan as people read it: each change with its place in the tree of modules, why, and what it does."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from bot.domain.plan_diff.marked import Hide
from bot.domain.plans.attributes import Attributes, attributes, forced_by
from bot.domain.plans.plan import ResourceChange


class PlanSection(StrEnum):
    """The part of a plan that a change stands in."""

    CHANGES = "changes"
    DRIFT = "drift"
    OUTPUTS = "outputs"


class ChangeKind(StrEnum):
    """What is done to a resource or an output."""

    CREATE = "create"
    UPDATE = "update"
    REPLACE = "replace"
    DESTROY = "destroy"
    IMPORT = "import"
    MOVE = "move"
    FORGET = "forget"
    READ = "read"


@dataclass(frozen=True)
class PlannedChange:
    """One change, without its attributes. `name` is the address within the module.

    `symbol` is the sign that Terraform prints, `reason` says why in words, `forced_by` names the attributes
    that make it a replacement, `deposed` is the key of an older object that is still to be destroyed.
    """

    deed: ChangeKind
    symbol: str
    address: str
    module: str = ""
    previous_address: str = ""
    import_id: str = ""
    reason: str = ""
    forced_by: tuple[str, ...] = ()
    deposed: str = ""

    @property
    def name(self) -> str:
        """The address within the module."""
        return self.address[len(self.module) + 1 :] if self.module else self.address


_REASONS = {
    "replace_because_tainted": "it is tainted: an earlier apply left it half done",
    "replace_because_cannot_update": "",
    "replace_by_request": "asked for",
    "replace_by_triggers": "what it is to be replaced with changes (replace_triggered_by)",
    "delete_because_no_resource_config": "it is not in the configuration any more",
    "delete_because_no_module": "its module is not in the configuration any more",
    "delete_because_wrong_repetition": "its count or for_each has changed",
    "delete_because_count_index": "its number is out of the range of count",
    "delete_because_each_key": "its key is not in for_each any more",
    "delete_because_no_move_target": "what it was moved to is not in the configuration",
    "read_because_config_unknown": "what it is to be read by is known after apply",
    "read_because_dependency_pending": "it depends on what is about to change",
    "read_because_check_nested": "a check reads it",
}
_MODULE = re.compile(r'module\.[^.\[\s]+(?:\[(?:\d+|"(?:[^"\\]|\\.)*")\])?')
_SYMBOLS = {ChangeKind.MOVE: "→", ChangeKind.IMPORT: "⇣"}
TOO_DEEP = Attributes(())


def modules_of(address: str) -> tuple[str, ...]:
    """Return the names of the modules on the way to a module: `module.a["x"].module.b` has two."""
    return tuple(_MODULE.findall(address))


def plan_view(
    document: Mapping[str, Any], hide: Hide | None = None
) -> Iterator[tuple[PlanSection, PlannedChange, Attributes]]:
    """Give every change of a plan's JSON with its attributes: in the order of the tree, a parent's first.

    `hide` replaces secrets in long values, before anything of them is cut.
    """
    for section, name in ((PlanSection.CHANGES, "resource_changes"), (PlanSection.DRIFT, "resource_drift")):
        found = []
        for item in document.get(name) or ():
            if change := _resource(item):
                found.append((change, item.get("change") or {}))
        # Stable: within a module things stay in the plan's order.
        for change, raw in sorted(found, key=lambda pair: modules_of(pair[0].module)):
            yield section, change, _attributes(raw, hide)
    for name, raw in sorted((document.get("output_changes") or {}).items()):
        actions = tuple(raw.get("actions") or ())
        if actions and actions != ("no-op",):
            symbol = ResourceChange(name, actions).symbol
            yield (
                PlanSection.OUTPUTS,
                PlannedChange(_deed(actions), symbol, str(name)),
                _attributes(raw, hide),
            )


def _resource(item: Mapping[str, Any]) -> PlannedChange | None:
    """Return a resource's change, None if nothing happens to it."""
    raw = item.get("change") or {}
    actions = tuple(raw.get("actions") or ())
    previous, importing = str(item.get("previous_address") or ""), raw.get("importing") or {}
    address = str(item.get("address") or "")
    if actions == ("no-op",):
        if not (previous or importing):
            return None
        deed = ChangeKind.IMPORT if importing else ChangeKind.MOVE
    else:
        deed = _deed(actions)
    reason = str(item.get("action_reason") or "")
    return PlannedChange(
        deed=deed,
        symbol=_SYMBOLS.get(deed) or ResourceChange(address, actions).symbol.strip(),
        address=address,
        module=str(item.get("module_address") or ""),
        previous_address=previous,
        import_id=str(importing.get("id") or "") if isinstance(importing, dict) else "",
        reason=_REASONS.get(reason, reason.replace("_", " ")),
        forced_by=forced_by(raw) if deed is ChangeKind.REPLACE else (),
        deposed=str(item.get("deposed") or ""),
    )


def _deed(actions: tuple[str, ...]) -> ChangeKind:
    match actions:
        case ("create",):
            return ChangeKind.CREATE
        case ("delete",):
            return ChangeKind.DESTROY
        case ("read",):
            return ChangeKind.READ
        case ("forget",):
            return ChangeKind.FORGET
        case _ if len(actions) > 1:
            return ChangeKind.REPLACE
        case _:
            return ChangeKind.UPDATE


def _attributes(raw: Mapping[str, Any], hide: Hide | None) -> Attributes:
    """Return a change's attributes; none of what is nested deeper than can be looked at."""
    try:
        return attributes(raw, hide)
    except RecursionError:
        return TOO_DEEP
