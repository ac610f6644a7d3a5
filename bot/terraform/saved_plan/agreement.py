"""Judges the JSON of a plan by the saved plan: whatever the JSON says must be what is applied.

`terraform show -json` stays the document that people and policies see. Not compared is `configuration`, which
Terraform reads from the snapshot in the same file: `snapshot_matches` compares that with the commit.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from bot.domain.workspaces.workspace import EngineKind
from bot.terraform.saved_plan import model
from bot.terraform.saved_plan.actions import compare_actions
from bot.terraform.saved_plan.addresses import Address, parse_address
from bot.terraform.saved_plan.checks import checks_as_json
from bot.terraform.saved_plan.documents import load
from bot.terraform.saved_plan.faults import UnreadablePlan
from bot.terraform.saved_plan.forms import (
    ABSENT,
    Difference,
    Findings,
    Marks,
    known,
    unknown_mask,
    wholly_known,
)
from bot.terraform.saved_plan.model import Action, Mode, ResourceChange, SavedPlan
from bot.terraform.saved_plan.states import FORMAT_VERSION, compare_planned_values, compare_prior_state

_WHAT = "the plan's JSON"
_COMPARED = {
    *("format_version", "terraform_version", "timestamp", "applyable", "complete", "errored", "variables"),
    *("resource_changes", "resource_drift", "deferred_changes", "output_changes", "checks"),
    *("action_invocations", "deferred_action_invocations", "relevant_attributes", "planned_values"),
    "prior_state",
}
_NOT_COMPARED = {"configuration"}
_IDENTITY = ("address", "module_address", "mode", "type", "name", "index", "index_unknown", "provider_name")
_RESOURCE = (*_IDENTITY, "previous_address", "deposed", "change", "action_reason")
_CHANGE = (
    *("actions", "before", "after", "after_unknown", "before_sensitive", "after_sensitive", "replace_paths"),
    *("importing", "generated_config", "before_identity", "after_identity"),
)


def agree(saved: SavedPlan, plan_json: bytes) -> list[Difference]:
    """Return each place where the JSON says something else than the saved plan; empty if they agree.

    A part that only one of the two has is a difference. Raises UnreadablePlan if the JSON is not a document.
    """
    return _compare(saved, plan_json).found


def marked_by_schema(saved: SavedPlan, plan_json: bytes) -> frozenset[tuple[str, str]]:
    """Return resource types and paths that the JSON marks as sensitive and the saved plan does not.

    Only a provider's schema can do that: `terraform providers schema -json` of the same providers must say
    so. Other marks would hide values from reviewers.
    """
    return frozenset(_compare(saved, plan_json).by_schema)


def _compare(saved: SavedPlan, plan_json: bytes) -> Findings:
    shown, findings = load(plan_json, _WHAT), Findings()
    try:
        _compare_all(saved, shown, findings)
    except RecursionError:
        raise UnreadablePlan(f"{_WHAT} is nested too deeply") from None
    return findings


def _compare_all(saved: SavedPlan, shown: Mapping[str, Any], findings: Findings) -> None:
    findings.only("plan", shown, _COMPARED | _NOT_COMPARED)
    _compare_facts(saved, shown, findings)
    _compare_variables(saved, shown, findings)
    _compare_changes(findings, "resource_changes", _listed(saved.resource_changes), shown)
    drift = [
        change
        for change in _listed(saved.resource_drift)
        if saved.mode == Mode.REFRESH_ONLY or change.change.action != Action.NO_OP
    ]
    _compare_changes(findings, "resource_drift", drift, shown)
    _compare_deferred(saved, shown, findings)
    _compare_outputs(saved, shown, findings)
    findings.same_in_any_order("checks", checks_as_json(saved.checks), findings.list_in(shown, "checks"))
    compare_actions(saved, shown, findings)
    attributes = [{"resource": name, "attribute": list(path)} for name, path in saved.relevant_attributes]
    findings.same_in_any_order(
        "relevant_attributes", attributes, findings.list_in(shown, "relevant_attributes")
    )
    compare_planned_values(saved, shown.get("planned_values", ABSENT), findings)
    compare_prior_state(saved, shown.get("prior_state", ABSENT), findings)


def _listed(changes: Iterable[ResourceChange]) -> list[ResourceChange]:
    """Return the changes that JSON has: data sources that leave the state are not told."""
    return [c for c in changes if not (c.place.mode == "data" and c.change.action == Action.DELETE)]


def _compare_facts(saved: SavedPlan, shown: Mapping[str, Any], findings: Findings) -> None:
    tofu = saved.kind == EngineKind.TOFU
    expected = {
        "terraform_version": saved.terraform_version,
        "timestamp": saved.timestamp,
        "errored": saved.errored,
        "applyable": ABSENT if tofu else saved.applyable,
        "complete": ABSENT if tofu else saved.complete,
    }
    for key, value in expected.items():
        findings.same(key, value, shown.get(key, ABSENT))
    version = shown.get("format_version")
    if not isinstance(version, str) or not FORMAT_VERSION.match(version):
        findings.add("format_version", "1.*", version)


def _compare_variables(saved: SavedPlan, shown: Mapping[str, Any], findings: Findings) -> None:
    """Compare the variables: JSON also has those that were not set, with their defaults."""
    told = findings.object_in(shown, "variables")
    root = shown.get("configuration", {})
    root = root.get("root_module", {}) if isinstance(root, dict) else {}
    declared = root.get("variables", {}) if isinstance(root, dict) else {}
    declared = declared if isinstance(declared, dict) else {}
    declared = {name: block for name, block in declared.items() if isinstance(block, dict)}
    with_default = {name for name, block in declared.items() if "default" in block}
    for name in saved.variables.keys() | told.keys() | with_default:
        if name in saved.variables:
            expected: Any = {"value": known(saved.variables[name].value)}
        elif name in declared:
            # `omitempty`: a default of null is not in the configuration's JSON, but it is a default.
            expected = {"value": declared[name].get("default")}
        else:
            expected = ABSENT
        findings.same(f"variables.{name}", expected, told.get(name, ABSENT))


def _compare_changes(
    findings: Findings, where: str, changes: Sequence[ResourceChange], shown: Mapping[str, Any]
) -> None:
    told: dict[tuple[str, str], Any] = {}
    for item in findings.list_in(shown, where):
        key = _key(item)
        if key is None or key in told:
            findings.add(f"{where}: an entry that is not a resource change, or is there twice", ABSENT, item)
        else:
            told[key] = item
    for change in changes:
        name = f"{where}: {change.address}" + (
            f" (deposed {change.deposed_key})" if change.deposed_key else ""
        )
        item = told.pop((change.address, change.deposed_key), None)
        if item is None:
            findings.add(name, change.change.action.words, ABSENT)
        else:
            _compare_resource(findings, name, change, item)
    for (address, _), item in told.items():
        findings.add(f"{where}: {address}", ABSENT, item)
    if len({(change.address, change.deposed_key) for change in changes}) != len(changes):
        findings.add(f"{where}: the saved plan changes an object twice", ABSENT, ABSENT)


def _key(item: Any) -> tuple[str, str] | None:
    if not isinstance(item, dict) or not isinstance(item.get("change"), dict):
        return None
    address, deposed = item.get("address"), item.get("deposed", "")
    return (address, deposed) if isinstance(address, str) and isinstance(deposed, str) else None


def _compare_resource(findings: Findings, name: str, saved: ResourceChange, shown: Mapping[str, Any]) -> None:
    findings.only(name, shown, _RESOURCE)
    _identified(findings, name, saved.place, saved.provider_name, shown)
    # An address that was written in another way is compared as Terraform does: taken apart.
    moved = saved.previous_address and parse_address(saved.previous_address) != saved.place
    findings.same(
        f"{name} previous_address",
        saved.previous_address if moved else ABSENT,
        shown.get("previous_address", ABSENT),
    )
    findings.same(f"{name} deposed", saved.deposed_key or ABSENT, shown.get("deposed", ABSENT))
    findings.same(f"{name} action_reason", saved.reason or ABSENT, shown.get("action_reason", ABSENT))
    told, change = shown["change"], saved.change
    findings.only(name, told, _CHANGE)
    after, wholly = change.after.value, wholly_known(change.after.value)
    expected = {
        "actions": change.action.words,
        "before": known(change.before.value),
        "after": known(after),
        "after_unknown": {} if wholly else unknown_mask(after),
        "importing": _importing(change.importing),
        "generated_config": change.generated_config or ABSENT,
        "before_identity": ABSENT if change.before_identity is None else known(change.before_identity),
        "after_identity": ABSENT if change.after_identity is None else known(change.after_identity),
    }
    for part, value in expected.items():
        findings.same(f"{name} {part}", value, told.get(part, ABSENT))
    masks = (
        ("before_sensitive", change.before.value, change.before_sensitive),
        ("after_sensitive", after, change.after_sensitive),
    )
    for part, whole, marked in masks:
        findings.masked(f"{name} {part}", whole, Marks(marked), told.get(part, ABSENT), saved.place.type)
    paths = [[known(step) for step in path] for path in saved.replace_paths]
    findings.same_in_any_order(f"{name} replace_paths", paths, findings.list_in(told, "replace_paths"))


def _identified(
    findings: Findings, name: str, place: Address, provider: str, shown: Mapping[str, Any]
) -> None:
    """Compare the parts of an address that JSON also tells one by one."""
    expected = {
        "module_address": place.module or ABSENT,
        "mode": place.mode,
        "type": place.type,
        "name": place.name,
        "index": ABSENT if place.index is None else place.index,
        "index_unknown": place.any_index or ABSENT,
        "provider_name": provider,
    }
    for part, value in expected.items():
        findings.same(f"{name} {part}", value, shown.get(part, ABSENT))


def _importing(importing: model.Importing | None) -> Any:
    if importing is None:
        return ABSENT
    if importing.unknown:
        return {"unknown": True}
    return {"id": importing.id} if importing.id else {"identity": known(importing.identity)}


def _compare_deferred(saved: SavedPlan, shown: Mapping[str, Any], findings: Findings) -> None:
    told = findings.list_in(shown, "deferred_changes")
    changes, reasons = [], Counter((c.address, c.deposed_key, c.deferred) for c in saved.deferred_changes)
    for item in told:
        if not isinstance(item, dict) or item.keys() != {"reason", "resource_change"}:
            findings.add("deferred_changes: an entry that is not a deferred change", ABSENT, item)
            continue
        changes.append(item["resource_change"])
        key = _key(item["resource_change"]) or ("", "")
        if reasons[(*key, item["reason"]) if isinstance(item["reason"], str) else ("", "", "")] != 1:
            findings.add(f"deferred_changes: {key[0]} reason", ABSENT, item["reason"])
    _compare_changes(findings, "deferred_changes", saved.deferred_changes, {"deferred_changes": changes})


def _compare_outputs(saved: SavedPlan, shown: Mapping[str, Any], findings: Findings) -> None:
    told = findings.object_in(shown, "output_changes")
    expected = {}
    for output in saved.output_changes:
        change = output.change
        whole = {
            "actions": change.action.words,
            "before": known(change.before.value),
            "after": known(change.after.value),
            "after_unknown": unknown_mask(change.after.value)
            if not wholly_known(change.after.value)
            else False,
            "before_sensitive": output.sensitive,
            "after_sensitive": output.sensitive,
        }
        expected[output.name] = {part: value for part, value in whole.items() if value is not ABSENT}
    if len(expected) != len(saved.output_changes):
        findings.add("output_changes: the saved plan changes an output twice", ABSENT, ABSENT)
    findings.same("output_changes", expected, told)
