"""Attributes that a configuration sets and that are in no plan: write-only arguments.

The plan's JSON has a null for them, always. So they are found by the configuration in the same JSON: what it
sets to something and the plan has no value for. Where it is set by an expression that may be null itself, the
name decides: providers end it in `_wo`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

_KEY = re.compile(r'\[(?:[^\]"]|"(?:[^"\\]|\\.)*")*\]')
_SUFFIX = "_wo"


class WriteOnly:
    """Finds the write-only arguments of a plan's resources."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        configuration = document.get("configuration")
        self._root = configuration.get("root_module") if isinstance(configuration, dict) else None
        self._modules: dict[str, dict[tuple[str, str], Mapping[str, Any]]] = {}

    def attributes(self, item: Mapping[str, Any]) -> list[str]:
        """Return the names of a resource's write-only arguments, sorted."""
        if item.get("mode") == "data":
            return []
        module = _KEY.sub("", str(item.get("module_address") or ""))
        if module not in self._modules:
            self._modules[module] = self._resources(module)
        found = self._modules[module].get((str(item.get("type")), str(item.get("name"))))
        if not found:
            return []
        change = item.get("change") or {}
        after, unknown = change.get("after"), change.get("after_unknown")
        if not isinstance(after, dict):
            return []
        return [
            name
            for name, expression in sorted(found.items())
            if name in after
            and after[name] is None
            and not (isinstance(unknown, dict) and unknown.get(name))
            and _sets(name, expression)
        ]

    def _resources(self, module: str) -> dict[tuple[str, str], Mapping[str, Any]]:
        """Return the expressions of a module's resources, by type and name."""
        here = self._root
        for step in re.findall(r"module\.([^.]+)", module):
            calls = here.get("module_calls") if isinstance(here, dict) else None
            call = calls.get(step) if isinstance(calls, dict) else None
            here = call.get("module") if isinstance(call, dict) else None
        found = here.get("resources") if isinstance(here, dict) else None
        return {
            (str(each.get("type")), str(each.get("name"))): each["expressions"]
            for each in found or ()
            if isinstance(each, dict) and isinstance(each.get("expressions"), dict)
        }


def _sets(name: str, expression: Any) -> bool:
    if not isinstance(expression, dict):
        return False
    if "constant_value" in expression:
        return expression["constant_value"] is not None
    return name.endswith(_SUFFIX) and bool(expression)
