"""Documents of workspaces."""

from __future__ import annotations

from typing import Any

from bot.domain.workspaces.workspace import Workspace
from bot.services.ports import Transaction


def workspace_document(tx: Transaction, workspace: Workspace) -> dict[str, Any]:
    """Return a workspace as a document, with its locks and how many runs are in its queue."""
    lock, state_lock = workspace.lock, tx.states.locked(workspace.id)
    return {
        "id": workspace.id,
        "name": workspace.name,
        "repository": str(workspace.repo),
        "branch": workspace.branch or None,
        "working_directory": workspace.working_directory,
        "auto_apply": workspace.auto_apply,
        "allowed_modes": [mode.value for mode in workspace.allowed_modes],
        "run_triggers": list(workspace.run_triggers),
        "depends_on": list(workspace.depends_on),
        "share_state_with": list(workspace.share_state_with),
        "inputs": {each.variable: each.source for each in workspace.inputs},
        "queue": len(tx.runs.queue(workspace.id)),
        "lock": lock and {"by": lock.by, "reason": lock.reason, "at": lock.at.isoformat()},
        "state_lock": state_lock
        and {"run": state_lock.run_id or None, "id": state_lock.lock_id, "at": state_lock.at.isoformat()},
    }
