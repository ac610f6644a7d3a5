"""Writes the variables of plangate.yml to the database: sets the named ones, deletes the dropped ones.

Variables of people stay, unless the file names the same variable: then the file wins.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from bot.domain.ids import new_id
from bot.domain.workspaces.variables import (
    DeclaredSet,
    DeclaredVariables,
    StoredVariable,
    Variable,
    VariableSet,
)
from bot.services.ports import Transaction

# The owner of a set that the file has dropped while it still contains people's variables.
_LEFT = "plangate"


@dataclass(frozen=True)
class VariableChange:
    """A variable or set that a sync changed: the kind of change, and where."""

    what: str
    where: str


def declare(tx: Transaction, declared: DeclaredVariables, at: datetime) -> list[VariableChange]:
    """Store the file's variables, for all active workspaces and all sets. Return the changes.

    An unchanged value is not written again.
    """
    done: list[VariableChange] = []
    for workspace in tx.workspaces.all():
        wanted = declared.workspaces.get(workspace.name, ())
        there = tx.variables.of_workspace(workspace.id)
        done += _bring(tx, wanted, there, f"of {workspace.name}", at, workspace_id=workspace.id)
    known = {one.name: one for one in tx.variables.sets()}
    for each in declared.sets:
        done += _bring_set(tx, each, known.pop(each.name, None), at)
    for one in known.values():
        if one.from_file:
            done += _drop_set(tx, one, at)
    return done


def _bring(
    tx: Transaction,
    wanted: Sequence[Variable],
    there: Iterable[StoredVariable],
    where: str,
    at: datetime,
    *,
    workspace_id: str = "",
    set_id: str = "",
) -> list[VariableChange]:
    done = []
    old = {kept.variable.place: kept for kept in there}
    for variable in wanted:
        before = old.pop(variable.place, None)
        if before is not None and before.from_file and before.variable == variable:
            continue
        kept = StoredVariable(new_id("var"), variable, "", at)
        tx.variables.put(kept, workspace_id=workspace_id, set_id=set_id)
        what = "took over" if before is not None and not before.from_file else "set"
        done.append(VariableChange(what, f"{variable.key} {where}"))
    for kept in old.values():
        if kept.from_file:
            tx.variables.remove(kept.id)
            done.append(VariableChange("removed", f"{kept.variable.key} {where}"))
    return done


def _bring_set(
    tx: Transaction, each: DeclaredSet, before: VariableSet | None, at: datetime
) -> list[VariableChange]:
    done = []
    wanted = VariableSet(new_id("varset"), each.name, each.everywhere, each.workspaces, each.description)
    if before is None or replace(before, id=wanted.id, variables=()) != wanted:
        before = tx.variables.put_set(wanted)
        done.append(VariableChange("set", f"the set {each.name}"))
    done += _bring(tx, each.variables, before.variables, f"of the set {each.name}", at, set_id=before.id)
    return done


def _drop_set(tx: Transaction, one: VariableSet, at: datetime) -> list[VariableChange]:
    """Delete a set that the file has dropped. People's variables in it stay, and reach no workspace."""
    if all(kept.from_file for kept in one.variables):
        tx.variables.remove_set(one.id)
        return [VariableChange("removed", f"the set {one.name}")]
    done = _bring(tx, (), one.variables, f"of the set {one.name}", at, set_id=one.id)
    tx.variables.put_set(replace(one, everywhere=False, workspaces=(), made_by=_LEFT))
    return [*done, VariableChange("detached", f"the set {one.name}, for people have set variables in it")]
