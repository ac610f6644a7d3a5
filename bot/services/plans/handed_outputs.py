"""Outputs of other workspaces in a run's variables: read from their current states when the run starts.

Before that a run may wait for an apply of such a workspace. After it, the values are as fixed as those of
the run's other variables.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from bot.domain.errors import NotFound
from bot.domain.runs.run import Run
from bot.domain.workspaces.outputs import Input, OutputValue, Unreadable, outputs_of
from bot.domain.workspaces.sharing import PROPOSED_NOTE, allows, shares_with
from bot.domain.workspaces.variables import Category, Variable, wrong_value
from bot.domain.workspaces.workspace import Workspace
from bot.services.plans.snapshot import put_variables, variables_of
from bot.services.ports import Transaction

States = Mapping[str, Mapping[str, OutputValue] | Unreadable]
"""The outputs of versions of states by the versions' ids, or why they can't be read."""


@dataclass(frozen=True)
class HandedOutputs:
    """The variables that a workspace's runs get from other workspaces now.

    `missing` says what is not there. `read` are the states that were read for it.
    """

    variables: tuple[Variable, ...] = ()
    missing: str = ""
    read: States = field(default_factory=dict)


def handed_now(tx: Transaction, workspace: Workspace, known: States | None = None) -> HandedOutputs:
    """Return what the current states hand over. `known` are states that were read before.

    A large state takes a while to read: do that in a transaction that only reads, and pass on `read`.
    """
    read = dict(known or {})
    variables: list[Variable] = []
    missing = ""
    for each in workspace.inputs:
        if each.workspace == workspace.name:
            continue  # a rule of `discover` covers the source of its own inputs
        found = _value(tx, workspace, each, read)
        if isinstance(found, str):
            missing = missing or f"the variable {each.variable} is {each.source}, and {found}"
        else:
            variables.append(found)
    return HandedOutputs(tuple(variables), missing, read)


def _value(
    tx: Transaction,
    workspace: Workspace,
    each: Input,
    read: dict[str, Mapping[str, OutputValue] | Unreadable],
) -> Variable | str:
    """Return an input as a variable, or why there is none."""
    try:
        source = tx.workspaces.named(each.workspace)
    except NotFound:
        return "there is no such workspace"
    if not allows(source, workspace):
        return f"{source.name} does not share its state with {workspace.name} (`share_state_with`)"
    if not shares_with(source, workspace):
        return PROPOSED_NOTE
    current = tx.states.current(source.id)
    if current is None:
        return f"{source.name} has no state yet: apply it first"
    if current.id not in read:
        read[current.id] = outputs_of(tx.states.data(current.id))
    outputs = read[current.id]
    if isinstance(outputs, Unreadable):
        return f"the state of {source.name} can't be read: {outputs}"
    if each.output not in outputs:
        return f"{source.name} has no such output yet: apply it first"
    output = outputs[each.output]
    variable = Variable(
        key=each.variable,
        value=output.value,
        category=Category.TERRAFORM,
        hcl=output.hcl,
        sensitive=output.sensitive,
    )
    return wrong_value(variable) or variable


def fix_outputs(tx: Transaction, run: Run, known: States | None = None) -> str:
    """Fix a run that starts to the outputs as they are now. Return what is missing, empty if nothing is.

    They replace other variables of their names.
    """
    workspace = tx.workspaces.get(run.workspace_id)
    if not workspace.inputs:
        return ""
    handed = handed_now(tx, workspace, known)
    names = {each.variable for each in workspace.inputs}
    others = (each for each in variables_of(tx, run.id) if not _is_one_of(each, names))
    together = sorted((*others, *handed.variables), key=lambda variable: variable.place)
    put_variables(tx, run.id, together)
    return handed.missing


def has_same_outputs(tx: Transaction, run: Run, workspace: Workspace, handed: HandedOutputs) -> bool:
    """Whether a run was fixed to the outputs that its workspace is handed now."""
    names = {each.variable for each in workspace.inputs}
    fixed = {each for each in variables_of(tx, run.id) if _is_one_of(each, names)}
    return fixed == set(handed.variables)


def _is_one_of(variable: Variable, names: set[str]) -> bool:
    return variable.category is Category.TERRAFORM and variable.key in names
