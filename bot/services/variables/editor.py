"""Actions of people on variables: list, set and unset them, in workspaces and in sets.

Pages and the CLI use it. A sensitive value can be written and never read (promise 6). Variables of
plangate.yml can be changed only there.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from bot.domain.errors import Invalid, NotFound
from bot.domain.ids import new_id
from bot.domain.people.audit import AuditAction
from bot.domain.people.permissions import Action, Person, require
from bot.domain.workspaces.phase import Phase
from bot.domain.workspaces.variables import (
    Category,
    StoredVariable,
    Variable,
    VariableSet,
    VisibleVariable,
    check,
    check_set,
    visible_variables,
)
from bot.services.outbox.audit_log import audited, done
from bot.services.ports import Clock, Store, Transaction

log = logging.getLogger(__name__)

FILE = "plangate.yml"


@dataclass(frozen=True)
class WorkspaceVariables:
    """The variables of a workspace, which is given by its name."""

    name: str

    def __str__(self) -> str:
        return f"the workspace {self.name}"


@dataclass(frozen=True)
class SetVariables:
    """The variables of a set, which is given by its name."""

    name: str

    def __str__(self) -> str:
        return f"the set {self.name}"


Owner = WorkspaceVariables | SetVariables

Place = tuple[Category, str, Phase]


@dataclass(frozen=True)
class VariableInput:
    """The wanted fields of a variable. None keeps the current value: an edit need not repeat a secret."""

    key: str
    category: Category = Category.TERRAFORM
    value: str | None = field(default=None, repr=False)
    hcl: bool | None = None
    sensitive: bool = False
    description: str | None = None
    phase: Phase = Phase.BOTH

    @property
    def place(self) -> Place:
        """Which variable of its owner is meant."""
        return self.category, self.key, self.phase


@dataclass(frozen=True)
class VariableView:
    """A variable as people may see it. `value` is None if it is sensitive, and so write-only.

    `source` says where it comes from, `set_by` who set it (plangate.yml, or a login), `hidden_by` which
    variable wins over it. `editable` says whether it can be changed in this list.
    """

    key: str
    category: Category
    value: str | None = field(repr=False)
    hcl: bool
    sensitive: bool
    description: str
    source: str
    set_name: str | None
    set_by: str
    at: datetime
    hidden_by: str = ""
    editable: bool = False
    phase: Phase = Phase.BOTH

    @property
    def place(self) -> Place:
        """Which variable of its owner it is."""
        return self.category, self.key, self.phase


@dataclass(frozen=True)
class VariableSetView:
    """A set as people may see it."""

    name: str
    everywhere: bool
    workspaces: tuple[str, ...]
    description: str
    made_by: str
    from_file: bool
    variables: tuple[VariableView, ...]
    priority: bool = False
    projects: tuple[str, ...] = ()

    @property
    def scope(self) -> str:
        """The workspaces that get the variables, in words."""
        if self.everywhere:
            return "every workspace"
        projects = (f"the project {each}" for each in self.projects)
        return ", ".join((*self.workspaces, *projects)) or "no workspace"

    def reaches(self, workspace: str, project: str = "") -> bool:
        """Whether the workspace with this name gets the variables."""
        one = VariableSet("", self.name, self.everywhere, self.workspaces, projects=self.projects)
        return one.reaches(workspace, project)


class VariableEditor:
    """Checks the person's role, then reads or changes variables. Changes are in the audit log.

    Every method raises Forbidden (role), Invalid (says what is wrong and what to write) and NotFound.
    """

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    # --- reading --------------------------------------------------------------------------------------------

    def of_workspace(self, name: str, person: Person) -> tuple[VariableView, ...]:
        """Return every variable that reaches a workspace, with its source and what wins over it."""
        require(person, Action.SEE)
        with self._store.reading() as tx:
            workspace = tx.workspaces.named(name)
            own, sets = tx.variables.of_workspace(workspace.id), tx.variables.sets()
            found = visible_variables(name, own, sets, project=workspace.project)
        return tuple(_listed(seen, seen.set_name is None) for seen in found)

    def sets(self, person: Person) -> tuple[VariableSetView, ...]:
        """Return every set with its variables, by name."""
        require(person, Action.SEE)
        with self._store.reading() as tx:
            return tuple(_listed_set(one) for one in tx.variables.sets())

    def set_named(self, name: str, person: Person) -> VariableSetView:
        """Return a set with its variables."""
        require(person, Action.SEE)
        with self._store.reading() as tx:
            return _listed_set(find_set(tx, name))

    # --- changing -------------------------------------------------------------------------------------------

    @audited(AuditAction.SET_VARIABLE)
    def put(self, owner: Owner, wish: VariableInput, person: Person) -> VariableView:
        """Set a new or existing variable. Later runs get it, existing runs don't.

        A sensitive variable stays sensitive, so that no slip shows a secret. Unset it first to change that.
        """
        require(person, action_on(owner))
        with self._store.transaction() as tx:
            ids, there = owned(tx, owner)
            before = _find(there, wish.place)
            if before is not None and before.from_file:
                raise Invalid(f"{wish.key} of {owner} is set in {FILE}: change it there")
            variable = _wanted(wish, before.variable if before else None)
            check(variable)
            kept = StoredVariable(new_id("var"), variable, person.login, self._clock.now())
            kept = tx.variables.put(kept, **ids)
            self._noted(tx, person, AuditAction.SET_VARIABLE, owner, variable)
        log.info("%s set %s of %s", person.login, words_of(variable), owner)
        return _listed(VisibleVariable(kept, owner.name if isinstance(owner, SetVariables) else None), True)

    @audited(AuditAction.UNSET_VARIABLE)
    def unset(
        self, owner: Owner, category: Category, key: str, person: Person, phase: Phase = Phase.BOTH
    ) -> None:
        """Remove a variable."""
        require(person, action_on(owner))
        with self._store.transaction() as tx:
            _, there = owned(tx, owner)
            kept = _find(there, (category, key, phase))
            if kept is None:
                other = _elsewhere(tx, owner, key) or _other_phases(there, category, key)
                raise NotFound(f"{owner} has no {category.value} variable {key}{other}")
            if kept.from_file:
                raise Invalid(f"{key} of {owner} is set in {FILE}: remove it there")
            tx.variables.remove(kept.id)
            self._noted(tx, person, AuditAction.UNSET_VARIABLE, owner, kept.variable)
        log.info("%s unset %s of %s", person.login, words_of(kept.variable), owner)

    @audited(AuditAction.PUT_SET)
    def put_set(
        self,
        name: str,
        person: Person,
        *,
        everywhere: bool = False,
        workspaces: Sequence[str] = (),
        description: str = "",
    ) -> VariableSetView:
        """Create a set, or change which workspaces it reaches: all, or those that fit names and patterns."""
        require(person, Action.EDIT_VARIABLE_SETS)
        reaches = tuple(dict.fromkeys(workspaces))
        made = VariableSet(new_id("varset"), name, everywhere, reaches, description, person.login)
        check_set(made)
        with self._store.transaction() as tx:
            before = next((one for one in tx.variables.sets() if one.name == name), None)
            if before is not None and before.from_file:
                raise Invalid(f"the set {name} is in {FILE}, which says what it reaches: change it there")
            if before is not None:
                # Only the API changes these.
                made = replace(made, priority=before.priority, projects=() if everywhere else before.projects)
            stands = tx.variables.put_set(made)
            where = "every workspace" if everywhere else ", ".join(reaches) or "no workspace yet"
            done(tx, self._clock, person, AuditAction.PUT_SET, name, f"for {where}")
        log.info("%s created the set %s, for %s", person.login, name, where)
        return _listed_set(stands)

    @audited(AuditAction.REMOVE_SET)
    def remove_set(self, name: str, person: Person) -> None:
        """Remove a set and its variables."""
        require(person, Action.EDIT_VARIABLE_SETS)
        with self._store.transaction() as tx:
            one = find_set(tx, name)
            if one.from_file:
                raise Invalid(f"the set {name} is in {FILE}: remove it there")
            tx.variables.remove_set(one.id)
            done(
                tx, self._clock, person, AuditAction.REMOVE_SET, name, f"with {len(one.variables)} variables"
            )
        log.info("%s removed the set %s with %d variables", person.login, name, len(one.variables))

    def _noted(
        self, tx: Transaction, person: Person, deed: AuditAction, owner: Owner, variable: Variable
    ) -> None:
        noted(tx, self._clock, person, deed, owner, variable)


def noted(
    tx: Transaction, clock: Clock, person: Person, deed: AuditAction, owner: Owner, variable: Variable
) -> None:
    """Note the change of a variable, never its value (promise 6)."""
    about = owner.name if isinstance(owner, SetVariables) else tx.workspaces.named(owner.name)
    done(tx, clock, person, deed, about, words_of(variable))


def action_on(owner: Owner) -> Action:
    """Return what changing the owner's variables needs."""
    return Action.EDIT_VARIABLES if isinstance(owner, WorkspaceVariables) else Action.EDIT_VARIABLE_SETS


def owned(tx: Transaction, owner: Owner) -> tuple[dict[str, str], Sequence[StoredVariable]]:
    """Return the owner's id, as the store expects it, and its variables. Raises NotFound."""
    if isinstance(owner, SetVariables):
        one = find_set(tx, owner.name)
        return {"set_id": one.id}, one.variables
    workspace = tx.workspaces.named(owner.name)
    return {"workspace_id": workspace.id}, tx.variables.of_workspace(workspace.id)


def find_set(tx: Transaction, name: str) -> VariableSet:
    """Return a set by its name. Raises NotFound."""
    for one in tx.variables.sets():
        if one.name == name:
            return one
    raise NotFound(f"there is no variable set named {name}")


def _find(there: Sequence[StoredVariable], place: Place) -> StoredVariable | None:
    return next((kept for kept in there if kept.variable.place == place), None)


def _other_phases(there: Sequence[StoredVariable], category: Category, key: str) -> str:
    """Say for which phases there is a variable of that name."""
    execution = [kept.variable.phase.value for kept in there if kept.variable.place[:2] == (category, key)]
    return f" for that phase; there is one for: {', '.join(execution)}" if execution else ""


def _wanted(wish: VariableInput, before: Variable | None) -> Variable:
    """Return the variable that the wanted fields make of the existing one. Raises Invalid."""
    if before is None:
        if wish.value is None:
            raise Invalid(f"{wish.key} is new: give it a value")
        before = Variable(wish.key, wish.value, wish.category, phase=wish.phase)
    return replace(
        before,
        value=before.value if wish.value is None else wish.value,
        hcl=before.hcl if wish.hcl is None else wish.hcl,
        sensitive=wish.sensitive or before.sensitive,
        description=before.description if wish.description is None else wish.description,
    )


def _elsewhere(tx: Transaction, owner: Owner, key: str) -> str:
    """Say which sets give a workspace a variable that is not its own: the reason why it can't be unset."""
    if isinstance(owner, SetVariables):
        return ""
    names = [
        one.name
        for one in tx.variables.sets()
        if one.reaches(owner.name, tx.workspaces.named(owner.name).project)
        and any(kept.variable.key == key for kept in one.variables)
    ]
    return f" of its own; it comes from the set {', '.join(names)}" if names else ""


def words_of(variable: Variable) -> str:
    """Name a variable for the audit log, without its value."""
    hidden = "sensitive " if variable.sensitive else ""
    phase = "" if variable.phase is Phase.BOTH else f", for {variable.phase.value} only"
    return f"the {hidden}{variable.category.value} variable {variable.key}{phase}"


def _listed(seen: VisibleVariable, editable: bool) -> VariableView:
    kept = seen.kept
    one = kept.variable
    return VariableView(
        key=one.key,
        category=one.category,
        value=None if one.sensitive else one.value,
        hcl=one.hcl,
        sensitive=one.sensitive,
        description=one.description,
        source=seen.source,
        set_name=seen.set_name,
        set_by=kept.set_by or FILE,
        at=kept.at,
        hidden_by=seen.hidden_by,
        editable=editable and not kept.from_file,
        phase=one.phase,
    )


def _listed_set(one: VariableSet) -> VariableSetView:
    return VariableSetView(
        name=one.name,
        everywhere=one.everywhere,
        workspaces=one.workspaces,
        description=one.description,
        made_by=one.made_by or FILE,
        from_file=one.from_file,
        variables=tuple(_listed(VisibleVariable(kept, one.name), True) for kept in one.variables),
        priority=one.priority,
        projects=one.projects,
    )
