"""Documents of versions of states, and of their contents without secrets."""

from __future__ import annotations

from typing import Any

from bot.domain.states.file import StateContents
from bot.services.ports import StateVersion


def state_document(one: StateVersion, current: StateVersion | None) -> dict[str, Any]:
    """Return a version as a document; `current` is the workspace's current one."""
    return {
        "id": one.id,
        "serial": one.serial,
        "lineage": one.lineage,
        "md5": one.md5,
        "size": one.size,
        "created_at": one.created_at.isoformat(),
        "run": one.run_id or None,
        "made_by": one.made_by or None,
        "note": one.note,
        "refused": one.refused or None,
        "current": current is not None and one.id == current.id,
    }


def contents_document(contents: StateContents) -> dict[str, Any]:
    """Return what a version holds as a document: a sensitive output has no value."""
    return {
        "terraform_version": contents.terraform_version,
        "outputs": [
            {"name": one.name, "type": one.type, "sensitive": one.sensitive, "value": one.value}
            for one in contents.outputs
        ],
        "resources": [
            {"address": one.address, "provider": one.provider, "instances": one.instances}
            for one in contents.resources
        ],
    }
