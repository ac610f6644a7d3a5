"""What a state records of each resource: enough to say whether an apply has touched it.

The recorded values are secrets (promise 6). They are compared, and stay with those who ask.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from bot.domain.plans.rest_of_plan import Key, StateObject
from bot.domain.states.file import json_object

# What makes up the record of an object. Terraform also writes what the object depends on, and its provider's
# private data: these change without an action.
_RECORD = ("attributes", "attributes_flat", "schema_version", "status", "identity")
# Other keys are written with escapes that differ between plans and states.
_PLAIN_KEY = re.compile(r"[\w .,:;@/+=|-]*")


def read_objects(data: bytes) -> dict[Key, StateObject] | None:
    """Return the managed objects of a state. Empty bytes are a state without any.

    None if anything of it is not understood: then nothing may be concluded from it.
    """
    if not data:
        return {}
    state = json_object(data)
    listed = state.get("resources", []) if state is not None and state.get("version") == 4 else None
    if not isinstance(listed, list):
        return None
    found: dict[Key, StateObject] = {}
    for resource in listed:
        if isinstance(resource, dict) and resource.get("mode") == "data":
            continue
        instances = resource.get("instances") if isinstance(resource, dict) else None
        if not isinstance(instances, list):
            return None
        for instance in instances:
            key = _key(resource, instance)
            if key is None or key in found:
                return None
            record = {name: instance.get(name) for name in _RECORD}
            found[key] = StateObject(record, instance.get("status") == "tainted")
    return found


def _key(resource: Mapping[str, Any], instance: Any) -> Key | None:
    if not isinstance(instance, dict):
        return None
    module, deposed, index = (
        resource.get("module", ""),
        instance.get("deposed", ""),
        instance.get("index_key"),
    )
    words = (module, deposed, kind := resource.get("type"), name := resource.get("name"))
    if not all(isinstance(word, str) for word in words) or not (kind and name):
        return None
    address = ".".join(part for part in (module, kind, name) if part)
    if index is None:
        return address, deposed
    if isinstance(index, bool):
        return None
    if isinstance(index, int):
        return f"{address}[{index}]", deposed
    if isinstance(index, str) and _PLAIN_KEY.fullmatch(index):
        return f'{address}["{index}"]', deposed
    return None
