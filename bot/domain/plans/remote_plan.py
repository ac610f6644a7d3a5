"""A plan as the terraform CLI draws one that was made elsewhere: redacted, and with schemas of its resources.

Only what the CLI reads is in it. The CLI needs a schema for every type of resource. These schemas are made
from the plan itself: the real ones would be the output of a process that ran code of the configuration
(promise 5). So every attribute has the type `dynamic`, which the CLI draws by the values. Nested blocks look
like attributes.

Source: Terraform's JSON output format, and the package jsonformat of Terraform 1.11.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from bot.domain.plan_diff.marked import DEEPEST, fingerprint

PLAN_FORMAT, PROVIDER_FORMAT = "1.2", "1.0"
SENSITIVE, SENSITIVE_CHANGED = "(sensitive value)", "(sensitive value, changed)"
TOO_DEEP = "(nested too deeply)"

Json = dict[str, Any]
_LISTS = ("resource_changes", "resource_drift")
_OF_A_RESOURCE = (
    "address",
    "previous_address",
    "module_address",
    "mode",
    "type",
    "name",
    "index",
    "deposed",
    "provider_name",
    "action_reason",
)
_OF_A_CHANGE = (
    "actions",
    "after_unknown",
    "before_sensitive",
    "after_sensitive",
    "replace_paths",
    "importing",
)


def redacted_plan(document: Mapping[str, Any], hide: Callable[[str], str]) -> Json:
    """Return a decoded plan JSON without sensitive values. `hide` replaces other secrets in texts.

    A sensitive value is replaced by a text that says only whether it changes.
    """
    found: Json = {"plan_format_version": PLAN_FORMAT}
    for name in _LISTS:
        found[name] = [_resource(each, hide) for each in _dicts(document.get(name))]
    outputs = document.get("output_changes")
    found["output_changes"] = {
        name: _change(each, hide, f"output.{name}")
        for name, each in (outputs.items() if isinstance(outputs, dict) else ())
        if isinstance(each, dict)
    }
    found["relevant_attributes"] = list(_dicts(document.get("relevant_attributes")))
    found["provider_format_version"] = PROVIDER_FORMAT
    found["provider_schemas"] = _schemas(found)
    return found


def _resource(resource: Json, hide: Callable[[str], str]) -> Json:
    about = {name: resource[name] for name in _OF_A_RESOURCE if name in resource}
    change = resource.get("change")
    return about | {"change": _change(change if isinstance(change, dict) else {}, hide, "")}


def _change(change: Json, hide: Callable[[str], str], path: str) -> Json:
    redact = _Redaction(hide)
    before = redact.value(change.get("before"), change.get("before_sensitive"), path, 0)
    after = redact.value(change.get("after"), change.get("after_sensitive"), path, 0)
    about = {name: change[name] for name in _OF_A_CHANGE if name in change}
    return about | {"before": before, "after": after}


class _Redaction:
    """Redacts the value before a change, and then the value after it."""

    def __init__(self, hide: Callable[[str], str]) -> None:
        self._hide = hide
        self._before: dict[str, str] = {}

    def value(self, value: Any, mark: Any, path: str, depth: int) -> Any:
        if value is None:
            return None
        if mark is True:
            seen = fingerprint(value)
            return SENSITIVE if self._before.setdefault(path, seen) == seen else SENSITIVE_CHANGED
        if depth >= DEEPEST and isinstance(value, (dict, list)):
            return TOO_DEEP
        if isinstance(value, dict):
            marks = mark if isinstance(mark, dict) else {}
            return {
                self._hide(str(name)): self.value(each, marks.get(name), f"{path}.{name}", depth + 1)
                for name, each in value.items()
            }
        if isinstance(value, list):
            inner = mark if isinstance(mark, list) else []
            return [
                self.value(each, inner[at] if at < len(inner) else None, f"{path}[{at}]", depth + 1)
                for at, each in enumerate(value)
            ]
        return self._hide(value) if isinstance(value, str) else value


def _schemas(plan: Json) -> Json:
    found: dict[str, Json] = {}
    for resource in (each for name in _LISTS for each in plan[name]):
        provider = found.setdefault(
            str(resource.get("provider_name", "")),
            {"provider": _block({}), "resource_schemas": {}, "data_source_schemas": {}},
        )
        kind = "data_source_schemas" if resource.get("mode") == "data" else "resource_schemas"
        change, name = resource["change"], str(resource.get("type", ""))
        schema = provider[kind].setdefault(name, _block({}))
        for part in ("before", "after", "after_unknown"):
            values = change.get(part)
            if isinstance(values, dict):
                attributes = schema["block"]["attributes"]
                attributes |= {each: {"type": "dynamic", "optional": True} for each in values}
    return found


def _block(attributes: Json) -> Json:
    return {"version": 0, "block": {"attributes": attributes, "description_kind": "plain"}}


def _dicts(found: Any) -> Iterator[Json]:
    return (each for each in found if isinstance(each, dict)) if isinstance(found, list) else iter(())
