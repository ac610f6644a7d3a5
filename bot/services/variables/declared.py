"""Bringing the variables of plangate.yml into the database: what it names is set, what it drops is removed.

What people have set stays, but for a variable that the file names too: then the file has it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from bot.domain.ids import new_id
from bot.domain.variables import Declared, DeclaredSet, KeptVariable, Variable, VariableSet
from bot.services.ports import Transaction

# Whose a set is that the file has dropped while people's variables are still in it.
_LEFT = "plangate"


@dataclass(frozen=True)
class Changed:
    """One variable or set that a sync changed: what was done, and to what."""

    what: str
    where: str


def declare(tx: Transaction, declared: Declared, at: datetime) -> list[Changed]:
    """Keep what the file says, of every workspace that is active and of every set; return what changed.

    A value that is as it was is not written again.
    """
    done: list[Changed] = []
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
    there: Iterable[KeptVariable],
    where: str,
    at: datetime,
    *,
    workspace_id: str = "",
    set_id: str = "",
) -> list[Changed]:
    done = []
    old = {kept.variable.place: kept for kept in there}
    for variable in wanted:
        before = old.pop(variable.place, None)
        if before is not None and before.from_file and before.variable == variable:
            continue
        kept = KeptVariable(new_id("var"), variable, "", at)
        tx.variables.put(kept, workspace_id=workspace_id, set_id=set_id)
        what = "took over" if before is not None and not before.from_file else "set"
        done.append(Changed(what, f"{variable.key} {where}"))
    for kept in old.values():
        if kept.from_file:
            tx.variables.remove(kept.id)
            done.append(Changed("removed", f"{kept.variable.key} {where}"))
    return done


def _bring_set(tx: Transaction, each: DeclaredSet, before: VariableSet | None, at: datetime) -> list[Changed]:
    done = []
    wanted = VariableSet(new_id("varset"), each.name, each.everywhere, each.workspaces, each.description)
    if before is None or replace(before, id=wanted.id, variables=()) != wanted:
        before = tx.variables.put_set(wanted)
        done.append(Changed("set", f"the set {each.name}"))
    done += _bring(tx, each.variables, before.variables, f"of the set {each.name}", at, set_id=before.id)
    return done


def _drop_set(tx: Transaction, one: VariableSet, at: datetime) -> list[Changed]:
    """Remove a set that the file has dropped; what people have put into it stays, and reaches nobody."""
    if all(kept.from_file for kept in one.variables):
        tx.variables.remove_set(one.id)
        return [Changed("removed", f"the set {one.name}")]
    done = _bring(tx, (), one.variables, f"of the set {one.name}", at, set_id=one.id)
    tx.variables.put_set(replace(one, everywhere=False, workspaces=(), made_by=_LEFT))
    return [*done, Changed("detached", f"the set {one.name}, for people have set variables in it")]
