"""What a plan counts, in Terraform's line: `Plan: 1 to import, 2 to add, 0 to change, 1 to destroy.`"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bot.domain.plan_diff.headers import actions_of, moved

NOTHING = "No changes. Your infrastructure matches the configuration."


def is_shown(item: Mapping[str, Any]) -> bool:
    """Whether a resource's change is listed: deeds, moves and imports are; Terraform's own rules."""
    actions = actions_of(item)
    if actions == ("no-op",):
        return moved(item) or bool((item.get("change") or {}).get("importing"))
    return not (actions == ("delete",) and item.get("mode") == "data")


def counts(document: Mapping[str, Any], changes: bool) -> str:
    """Return the line of counts. `changes`: whether the plan's text has anything else to say."""
    found = document.get("resource_changes")
    listed = [item for item in found or () if isinstance(item, dict) and is_shown(item)]
    actions = [actions_of(item) for item in listed]
    imports = sum(bool((item.get("change") or {}).get("importing")) for item in listed)
    invoked = len(document.get("action_invocations") or ())
    if not listed and not invoked:
        return "" if changes else NOTHING
    add = sum("create" in each for each in actions)
    change = sum("update" in each for each in actions)
    destroy = sum("delete" in each for each in actions)
    importing = f"{imports:,} to import, " if imports else ""
    calling = f" Actions: {invoked:,} to invoke." if invoked else ""
    return f"Plan: {importing}{add} to add, {change} to change, {destroy} to destroy.{calling}"
