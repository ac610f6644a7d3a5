"""What a state says of its resources without their values, and a mark by which a change of them is noticed.

The mark is a keyed hash: without the key nobody can guess values by it (promise 6). Keys of instances, of
`for_each` in modules too, may be values themselves: they are only in the mark.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from dataclasses import dataclass
from typing import Any

from bot.domain.states.file import json_object, word

# What makes up the record of an instance. What it depends on, and private data, change without an action.
_RECORD = ("index_key", "deposed", "attributes", "attributes_flat", "status", "identity")
_PROVIDER = re.compile(r'provider\["([^"\s]+)"\]')
_KEY = re.compile(r'\[(?:[0-9]+|"(?:[^"\\]|\\.)*")\]')
_LONGEST = 1000


@dataclass(frozen=True)
class Resource:
    """A resource of a configuration: its address without keys, its provider's address, and its mark."""

    address: str
    type: str
    name: str
    module: str
    provider: str
    instances: int
    mark: str


@dataclass(frozen=True)
class ListedState:
    """The resources of a state, by address. None if they can't be read."""

    terraform_version: str
    resources: dict[str, Resource] | None


def list_resources(data: bytes, key: bytes) -> ListedState:
    """Return the managed resources of a state; `key` is that of the marks. Data sources are left out."""
    state = json_object(data)
    version = word(state.get("terraform_version")) if state else ""
    listed = state.get("resources", []) if state is not None and state.get("version") == 4 else None
    if not isinstance(listed, list):
        return ListedState(version, None)
    records: dict[str, list[str]] = {}
    about: dict[str, tuple[str, str, str, str]] = {}
    try:
        for one in listed:
            if not isinstance(one, dict) or one.get("mode") == "data":
                continue
            kind, name, module = (_text(one.get(part)) for part in ("type", "name", "module"))
            bare = _KEY.sub("", module)
            # Terraform writes no others. Whoever else wrote them: no database keeps them as they are.
            if not (kind and name) or not f"{bare}{kind}{name}".isprintable():
                continue
            address = ".".join(part for part in (bare, kind, name) if part)
            found = _PROVIDER.search(_text(one.get("provider")))
            about[address] = (kind, name, bare, found[1] if found else "")
            instances = one.get("instances")
            mine = records.setdefault(address, [])
            for each in instances if isinstance(instances, list) else ():
                if isinstance(each, dict):
                    mine.append(_record(module, each))
    except RecursionError:
        return ListedState(version, None)
    return ListedState(
        version,
        {
            address: Resource(address, *about[address], len(mine), _mark(key, mine))
            for address, mine in records.items()
        },
    )


def _text(value: Any) -> str:
    return value if isinstance(value, str) and len(value) <= _LONGEST else ""


def _record(module: str, instance: dict[str, Any]) -> str:
    return json.dumps([module, {name: instance.get(name) for name in _RECORD}], sort_keys=True)


def _mark(key: bytes, records: list[str]) -> str:
    found = hmac.new(key, digestmod=hashlib.sha256)
    for record in sorted(records):
        found.update(f"{len(record)}:{record}".encode())
    return found.hexdigest()
