"""The snapshot: a run is fixed to the values that its variables have when it is created.

Later edits affect later runs only. A run's plan, its apply and a restarted plan all see the same values. A
retry is a new run and gets the values of its own creation. Outputs of other workspaces are added when the run
starts (handed_outputs).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from bot.domain.runs.masking import secrets_of
from bot.domain.runs.run import Run
from bot.domain.workspaces.phase import Phase
from bot.domain.workspaces.variables import Category, StoredVariable, Variable, VariableSet, effective
from bot.domain.workspaces.workspace import Workspace
from bot.services.ports import ArtifactKind, Transaction


def fix_variables(tx: Transaction, run: Run, own: Sequence[Variable] = ()) -> None:
    """Fix a run to the values of its variables, in the transaction that creates it.

    `own` are given to this run alone (`-var`). One that stands for a sensitive variable is sensitive, too.
    """
    workspace = tx.workspaces.get(run.workspace_id)
    sets = tx.variables.sets()
    found = _effective(tx, workspace, sets)
    if own:
        hidden = {each.key for each in found if each.sensitive and each.category is Category.TERRAFORM}
        own = [replace(each, sensitive=each.sensitive or each.key in hidden) for each in own]
        tx.artifacts.put(run.id, ArtifactKind.OWN_VARIABLES, _document(own))
        of_run = [StoredVariable("", each, run.created_by, run.created_at) for each in own]
        found = _effective(tx, workspace, sets, of_run)
    put_variables(tx, run.id, found)


def fix_all_variables(tx: Transaction, runs: Sequence[Run]) -> None:
    """Fix new runs to the values of their variables, as `fix_variables` does for one."""
    tx.variables.load(run.workspace_id for run in runs)
    sets, files = tx.variables.sets(), {}
    for run in runs:
        workspace = tx.workspaces.get(run.workspace_id)
        files[run.id] = _document(_effective(tx, workspace, sets))
    tx.artifacts.put_all(ArtifactKind.VARIABLES, files)


def _effective(
    tx: Transaction,
    workspace: Workspace,
    sets: Sequence[VariableSet],
    of_run: Sequence[StoredVariable] = (),
) -> tuple[Variable, ...]:
    own = tx.variables.of_workspace(workspace.id)
    return effective(workspace.name, own, sets, of_run, project=workspace.project)


def put_variables(tx: Transaction, run_id: str, variables: Iterable[Variable]) -> None:
    """Store a run's snapshot."""
    tx.artifacts.put(run_id, ArtifactKind.VARIABLES, _document(variables))


def _document(variables: Iterable[Variable]) -> bytes:
    document = [
        {
            "key": each.key,
            "value": each.value,
            "category": each.category.value,
            "hcl": each.hcl,
            "sensitive": each.sensitive,
            "phase": each.phase.value,
        }
        for each in variables
    ]
    return json.dumps(document).encode()


def variables_of(tx: Transaction, run_id: str) -> tuple[Variable, ...]:
    """Return the variables of a run's snapshot, of both phases: masking needs all of them."""
    return _read(tx, run_id, ArtifactKind.VARIABLES)


def own_variables_of(tx: Transaction, run_id: str) -> tuple[Variable, ...]:
    """Return the variables that a client gave a run alone, also those that lost to a set with priority."""
    return _read(tx, run_id, ArtifactKind.OWN_VARIABLES)


def own_variables_of_all(tx: Transaction, run_ids: Iterable[str]) -> Mapping[str, tuple[Variable, ...]]:
    """Return the variables that a client gave each of the runs alone; only of those that have any."""
    kept = tx.artifacts.of_runs(run_ids, ArtifactKind.OWN_VARIABLES)
    return {run_id: _parsed(data) for run_id, data in kept.items()}


def _read(tx: Transaction, run_id: str, kind: ArtifactKind) -> tuple[Variable, ...]:
    kept = tx.artifacts.get(run_id, kind)
    return _parsed(kept) if kept else ()


def _parsed(data: bytes) -> tuple[Variable, ...]:
    return tuple(map(_variable, json.loads(data)))


def _variable(item: dict[str, Any]) -> Variable:
    # A run that was made before there were phases has none in its snapshot.
    phase = Phase(item.get("phase", Phase.BOTH))
    return Variable(**{**item, "category": Category(item["category"]), "phase": phase})


def open_environment(tx: Transaction, run_id: str) -> dict[str, str]:
    """Return a run's environment variables that are not sensitive; those of one phase say which."""
    return {
        each.key if each.phase is Phase.BOTH else f"{each.key} ({each.phase.value})": each.value
        for each in variables_of(tx, run_id)
        if each.category is Category.ENV and not each.sensitive
    }


def secrets_of_run(tx: Transaction, run_id: str) -> tuple[str, ...]:
    """Return the values that must be hidden wherever a part of the run's plan is shown (promise 6)."""
    return secrets_of(variables_of(tx, run_id))
