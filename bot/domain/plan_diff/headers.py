"""The comment above each change, in Terraform's words: what happens to an object, and why."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from bot.domain.plan_diff import escaping, windows
from bot.domain.plan_diff.marked import Hide

_LONGEST_ADDRESS = 600

_REPLACED = {
    "replace_because_tainted": "is tainted, so must be replaced",
    "replace_by_request": "will be replaced, as requested",
    "replace_by_triggers": "will be replaced due to changes in replace_triggered_by",
}
_READ = {
    "read_because_config_unknown": "(config refers to values not yet known)",
    "read_because_dependency_pending": "(depends on a resource or a module with changes pending)",
    "read_because_check_nested": "(config will be reloaded to verify a check block)",
}
_DEFERRED = {
    "instance_count_unknown": "because the number of resource instances is unknown",
    "resource_config_unknown": "because the resource configuration is unknown",
    "provider_config_unknown": "because the provider configuration is unknown",
    "deferred_prereq": "because a prerequisite for this resource is deferred",
    "absent_prereq": "because a prerequisite for this resource has not yet been created",
    "excluded": "because the resource was excluded",
    "not_included": "because the resource was not included",
}
_KEYS = re.compile(r'\[(?:-?\d+|"(?:[^"\\]|\\.)*")\]', re.DOTALL)
_LEFT_OVER = "(left over from a partially-failed replacement of this instance)"
_KEPT = "(destroy = false is set in the configuration)"
_WRONG_REPETITION = {int: "does not use count", str: "does not use for_each"}


@dataclass(frozen=True)
class HeaderWords:
    """What the headers are made with: the program's name, and what replaces secrets in addresses."""

    program: str = "Terraform"
    hide: Hide | None = None

    def address(self, item: Mapping[str, Any], key: str = "address") -> str:
        """Return an address of a change; one without an end is cut, and says so."""
        found = text_of(item, key)
        found = self.hide(found) if self.hide else found
        if len(found) > _LONGEST_ADDRESS:
            return str(windows.start(found, _LONGEST_ADDRESS))
        return escaping.address(found)

    def literal(self, text: str) -> str:
        """Return a string in quotes."""
        return str(windows.start(self.hide(text) if self.hide else text, _LONGEST_ADDRESS))


def text_of(item: Mapping[str, Any], key: str) -> str:
    """Return what an object has under a key, as text; empty if it has nothing."""
    found = item.get(key)
    return "" if found is None else str(found)


def type_and_name(item: Mapping[str, Any]) -> tuple[str, str]:
    """Return a resource's type and name, by its address if they are not told."""
    if item.get("type") is not None and item.get("name") is not None:
        return str(item["type"]), str(item["name"])
    *_, kind, name = ["", "", *_KEYS.sub("", text_of(item, "address")).split(".")]
    return kind, name


def actions_of(item: Mapping[str, Any]) -> tuple[str, ...]:
    """Return a change's actions, as they are spelled in the plan's JSON."""
    return tuple(map(str, (item.get("change") or {}).get("actions") or ()))


def moved(item: Mapping[str, Any]) -> bool:
    """Whether an object has another address than before."""
    return text_of(item, "previous_address") not in ("", text_of(item, "address"))


def comments(item: Mapping[str, Any], words: HeaderWords, *, drift: bool = False) -> list[str]:
    """Return the lines above a change, each beginning with `#`."""
    actions, shown = actions_of(item), words.address(item)
    if deposed := text_of(item, "deposed"):
        shown += f" (deposed object {escaping.address(deposed)})"
    lines = [f"{shown} {_what(item, actions, words, drift=drift)}"]
    if moved(item) and actions == ("no-op",):
        lines = [f"{words.address(item, 'previous_address')} has moved to {shown}"]
    lines += _why(item, actions, words)
    if moved(item) and actions != ("no-op",):
        lines.append(f"(moved from {words.address(item, 'previous_address')})")
    lines += _imported(item, actions, words)
    return [f"# {line}" for line in lines]


def deferred(item: Mapping[str, Any], reason: str, words: HeaderWords) -> list[str]:
    """Return the lines above a change that is left to a later plan."""
    why = _DEFERRED.get(reason, "for an unknown reason")
    return [f"# {words.address(item)} was deferred", f"# ({why})"]


def _what(item: Mapping[str, Any], actions: tuple[str, ...], words: HeaderWords, *, drift: bool) -> str:
    match actions:
        case ("create",):
            return "will be created"
        case ("read",):
            return "will be read during apply"
        case ("update",):
            return "has changed" if drift else "will be updated in-place"
        case ("delete",):
            return "has been deleted" if drift else "will be destroyed"
        case ("delete", "create") | ("create", "delete"):
            return _REPLACED.get(text_of(item, "action_reason"), "must be replaced")
        case ("create", "forget"):
            return "must be replaced, but the existing object will not be destroyed"
        case ("forget",) if item.get("deposed"):
            return f"will be removed from {words.program} state, but will not be destroyed"
        case ("forget",):
            return f"will no longer be managed by {words.program}, but will not be destroyed"
        case ("no-op",) if (item.get("change") or {}).get("importing"):
            return "will be imported"
        case ("no-op",):
            return "stays as it is"
        case _:
            said = ", ".join(map(escaping.quoted, actions))
            return f"has actions that are not known here: {said or 'none'}"


def _why(item: Mapping[str, Any], actions: tuple[str, ...], words: HeaderWords) -> Iterator[str]:
    reason = text_of(item, "action_reason")
    if actions == ("read",) and reason in _READ:
        yield _READ[reason]
    if actions == ("delete",) and (because := _destroyed(item, reason, words)):
        yield f"(because {because})"
    if item.get("deposed") and actions in {("delete",), ("forget",)}:
        yield _LEFT_OVER
    if "forget" in actions:
        yield _KEPT


def _destroyed(item: Mapping[str, Any], reason: str, words: HeaderWords) -> str:
    index = item.get("index")
    match reason:
        case "delete_because_no_resource_config":
            return f"{escaping.address('.'.join(type_and_name(item)))} is not in configuration"
        case "delete_because_no_module":
            return f"{words.address(item, 'module_address')} is not in configuration"
        case "delete_because_no_move_target":
            was = words.address(item, "previous_address")
            return f"{was} was moved to {words.address(item)}, which is not in configuration"
        case "delete_because_wrong_repetition":
            return f"resource {_WRONG_REPETITION.get(type(index), 'uses count or for_each')}"
        case "delete_because_count_index":
            return f"index [{_index(index, words)}] is out of range for count"
        case "delete_because_each_key":
            return f"key [{_index(index, words)}] is not in for_each map"
        case _:
            return ""


def _index(index: Any, words: HeaderWords) -> str:
    return words.literal(index) if isinstance(index, str) else escaping.visible(str(index))


def _imported(item: Mapping[str, Any], actions: tuple[str, ...], words: HeaderWords) -> Iterator[str]:
    change = item.get("change") or {}
    importing = change.get("importing")
    if not importing:
        return
    if change.get("generated_config"):
        yield "(config will be generated)"
    found = importing.get("id") if isinstance(importing, dict) else None
    if found is not None:
        yield f"(imported from {words.literal(str(found))})"
    elif actions != ("no-op",):
        yield "(will be imported first)"
    if len(actions) > 1 and "delete" in actions:
        yield "Warning: this will destroy the imported resource"
