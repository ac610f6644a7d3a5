"""The keyed digest of a plan's canonical form: what an approval is bound to (promise 1).

Keyed, because a bare hash of a plan with one small secret in it could be guessed.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Mapping
from typing import Any

_CHANGE_KEYS = (
    "actions",
    "before",
    "after",
    "after_unknown",
    "before_sensitive",
    "after_sensitive",
    "replace_paths",
    "importing",
)


def canonical(document: Mapping[str, Any]) -> bytes:
    """Return the plan's canonical form: the same bytes for every plan that would do the same.

    Left out: timestamps, the order of things, resources that do not change, refreshed reads.
    """
    resources = []
    for item in document.get("resource_changes") or ():
        change = item.get("change", {})
        actions = change.get("actions", [])
        if actions == ["read"]:
            continue
        if actions == ["no-op"] and not item.get("previous_address") and not change.get("importing"):
            continue
        resources.append(
            {
                "address": item.get("address"),
                "deposed": item.get("deposed"),
                "previous_address": item.get("previous_address"),
                "provider": item.get("provider_name"),
                "change": _canonical_change(change),
            }
        )
    resources.sort(key=lambda r: (str(r["address"]), str(r["deposed"])))
    outputs = {
        name: _canonical_change(change)
        for name, change in (document.get("output_changes") or {}).items()
        if change.get("actions") != ["no-op"]
    }
    form = {"resources": resources, "outputs": outputs}
    return json.dumps(form, sort_keys=True, separators=(",", ":"), ensure_ascii=True).encode()


def _canonical_change(change: Mapping[str, Any]) -> dict[str, Any]:
    form = {key: change.get(key) for key in _CHANGE_KEYS}
    # The paths that force a replacement are a set.
    form["replace_paths"] = sorted(change.get("replace_paths") or (), key=json.dumps)
    return form


def plan_digest(document: Mapping[str, Any], key: bytes) -> str:
    """Return the plan's digest, hexadecimal."""
    return hmac.new(key, canonical(document), hashlib.sha256).hexdigest()
