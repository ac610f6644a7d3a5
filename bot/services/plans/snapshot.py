"""The snapshot: a run is fixed to the variables' values of the moment in which it is made.

Later edits affect later runs only: a run's plan and its apply, and a plan that is made again because a worker
was lost, all see the same values. A retry is a new run, and so gets the values of its own moment.
"""

from __future__ import annotations

import json

from bot.domain.masking import secrets_of
from bot.domain.run import Run, RunEvent
from bot.domain.variables import Category, Variable, effective
from bot.services.ports import ArtifactKind, Transaction


def add_run(tx: Transaction, run: Run, event: RunEvent) -> Run:
    """Insert a run at the end of its queue, and fix its variables in the same transaction.

    The only way in which a run comes to be: one without its snapshot would run without its variables.
    """
    added = tx.runs.add(run, event)
    workspace = tx.workspaces.get(run.workspace_id)
    found = effective(workspace.name, tx.variables.of_workspace(workspace.id), tx.variables.sets())
    document = [
        {
            "key": each.key,
            "value": each.value,
            "category": each.category.value,
            "hcl": each.hcl,
            "sensitive": each.sensitive,
        }
        for each in found
    ]
    tx.artifacts.put(added.id, ArtifactKind.VARIABLES, json.dumps(document).encode())
    return added


def variables_of(tx: Transaction, run_id: str) -> tuple[Variable, ...]:
    """Return the variables that a run was fixed to."""
    kept = tx.artifacts.get(run_id, ArtifactKind.VARIABLES)
    items = json.loads(kept) if kept else []
    return tuple(Variable(**{**item, "category": Category(item["category"])}) for item in items)


def open_environment(tx: Transaction, run_id: str) -> dict[str, str]:
    """Return a run's environment variables that are not sensitive."""
    return {
        each.key: each.value
        for each in variables_of(tx, run_id)
        if each.category is Category.ENV and not each.sensitive
    }


def secrets_of_run(tx: Transaction, run_id: str) -> tuple[str, ...]:
    """Return what must not show of a run's variables, wherever something of its plan is shown (promise 6)."""
    return secrets_of(variables_of(tx, run_id))
