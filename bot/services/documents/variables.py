"""Documents of variables and of sets of them. The value of a sensitive one is None (promise 6)."""

from __future__ import annotations

from typing import Any

from bot.services.variables.editor import VariableSetView, VariableView


def variable_document(one: VariableView) -> dict[str, Any]:
    """Return a variable as a document."""
    return {
        "key": one.key,
        "value": one.value,
        "category": one.category.value,
        "hcl": one.hcl,
        "sensitive": one.sensitive,
        "phase": one.phase.value,
        "description": one.description,
        "from_set": one.set_name,
        "set_by": one.set_by,
        "at": one.at.isoformat(),
        "hidden_by": one.hidden_by or None,
    }


def set_document(one: VariableSetView) -> dict[str, Any]:
    """Return a set with its variables as a document."""
    return {
        "name": one.name,
        "global": one.everywhere,
        "workspaces": list(one.workspaces),
        "description": one.description,
        "made_by": one.made_by,
        "variables": [variable_document(each) for each in one.variables],
    }
