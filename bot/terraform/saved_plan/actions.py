"""Compares the invocations of actions in a plan's JSON with the saved plan (Terraform 1.14 and newer)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bot.terraform.saved_plan.forms import ABSENT, Findings, Marks, canonical, known, unknown_mask
from bot.terraform.saved_plan.model import ActionInvocation, SavedPlan


def compare_actions(saved: SavedPlan, shown: Mapping[str, Any], findings: Findings) -> None:
    """Compare the actions that run at apply, and those that wait for a later plan."""
    told: list[tuple[str, Any]] = [("", item) for item in findings.list_in(shown, "action_invocations")]
    for item in findings.list_in(shown, "deferred_action_invocations"):
        if isinstance(item, dict) and item.keys() == {"reason", "action_invocation"}:
            told.append((str(item["reason"]), item["action_invocation"]))
        else:
            findings.add("deferred_action_invocations: an entry that is none", ABSENT, item)
    waiting: dict[str, list[Any]] = {}
    for reason, item in told:
        if isinstance(item, dict):
            waiting.setdefault(canonical(_trigger_of(reason, item)), []).append(item)
        else:
            findings.add("action_invocations: an entry that is none", ABSENT, item)
    for action in (*saved.action_invocations, *saved.deferred_action_invocations):
        expected = _invocation(action)
        matching = waiting.get(canonical(_trigger_of(action.deferred, expected)), [])
        if matching:
            _compare_invocation(findings, action, expected, matching.pop(0))
        else:
            findings.add(f"action_invocations: {action.address}", expected, ABSENT)
    for items in waiting.values():
        for item in items:
            findings.add(f"action_invocations: {item.get('address')}", ABSENT, item)


def _trigger_of(reason: str, item: Mapping[str, Any]) -> list[Any]:
    trigger = item.get("lifecycle_action_trigger")
    if isinstance(trigger, dict):
        # Terraform 1.14 does not tell `on_failure`.
        trigger = {key: value for key, value in trigger.items() if key != "on_failure"}
    return [reason, item.get("address"), trigger, item.get("invoke_action_trigger")]


def _invocation(action: ActionInvocation) -> dict[str, Any]:
    expected: dict[str, Any] = {
        "address": action.address,
        "type": action.place.type,
        "name": action.place.name,
        "provider_name": action.provider_name,
        "config_values": known(action.config),
        "config_unknown": {} if action.config is None else unknown_mask(action.config),
    }
    if action.invoked:
        called = {"calling_resource_address": action.triggered_by} if action.triggered_by else {}
        expected["invoke_action_trigger"] = called
    else:
        expected["lifecycle_action_trigger"] = {
            "triggering_resource_address": action.triggered_by,
            "action_trigger_event": action.event,
            "action_trigger_block_index": action.block_index,
            "actions_list_index": action.list_index,
            "on_failure": f"ActionOnFailure{action.on_failure.capitalize()}",
        }
    return expected


def _compare_invocation(
    findings: Findings, action: ActionInvocation, expected: dict[str, Any], shown: dict[str, Any]
) -> None:
    name = f"action_invocations: {action.address}"
    trigger = shown.get("lifecycle_action_trigger")
    if isinstance(trigger, dict) and "on_failure" not in trigger and action.on_failure == "halt":
        expected["lifecycle_action_trigger"].pop("on_failure", None)
    bare = {key: value for key, value in shown.items() if key != "config_sensitive"}
    if action.config is None:
        # Terraform writes an action without configuration in more than one way.
        for part in ("config_values", "config_unknown"):
            if part in bare and (bare[part] is None or bare[part] is False or bare[part] == {}):
                expected[part] = bare[part]
    findings.same(name, expected, bare)
    mask = shown.get("config_sensitive", ABSENT)
    if not (action.config is None and mask == {}):
        marks = Marks(action.config_sensitive)
        findings.masked(f"{name} config_sensitive", action.config, marks, mask, action.place.type)
