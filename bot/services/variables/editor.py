"""What people do with variables: list, set and unset them, in workspaces and in sets.

For pages and the CLI alike. A sensitive value goes in and never comes out again (promise 6); what
plangate.yml says is changed there and nowhere else.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from bot.domain.audit import Deed
from bot.domain.errors import Forbidden, Invalid, NotFound
from bot.domain.ids import new_id
from bot.domain.permissions import Action, Person, refusal
from bot.domain.variables import (
    Category,
    KeptVariable,
    Seen,
    Variable,
    VariableSet,
    check,
    check_set,
    seen_by,
)
from bot.services.auditing import audited, done
from bot.services.ports import Clock, Store, Transaction

log = logging.getLogger(__name__)

FILE = "plangate.yml"


@dataclass(frozen=True)
class OfWorkspace:
    """A workspace's own variables, by the workspace's name."""

    name: str

    def __str__(self) -> str:
        return f"the workspace {self.name}"


@dataclass(frozen=True)
class OfSet:
    """The variables of a set, by its name."""

    name: str

    def __str__(self) -> str:
        return f"the set {self.name}"


Owner = OfWorkspace | OfSet


@dataclass(frozen=True)
class Wish:
    """What somebody wants a variable to be. None keeps what is there: an edit need not repeat a secret."""

    key: str
    category: Category = Category.TERRAFORM
    value: str | None = field(default=None, repr=False)
    hcl: bool | None = None
    sensitive: bool = False
    description: str | None = None


@dataclass(frozen=True)
class Listed:
    """A variable as people may see it: `value` is None where it is sensitive, and so write-only.

    `source` says where it comes from, `set_by` who set it there (plangate.yml, or a login), `hidden_by` what
    wins over it. `editable` tells whether it may be changed where it stands, in the list that it is in.
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


@dataclass(frozen=True)
class ListedSet:
    """A set as people may see it."""

    name: str
    everywhere: bool
    workspaces: tuple[str, ...]
    description: str
    made_by: str
    from_file: bool
    variables: tuple[Listed, ...]

    def reaches(self, workspace: str) -> bool:
        """Whether a workspace of that name gets the variables."""
        one = VariableSet("", self.name, self.everywhere, self.workspaces, self.description, self.made_by)
        return one.reaches(workspace)


class VariableDesk:
    """Checks the person's role, then reads or changes variables. A change is a line in the log.

    Every method raises Forbidden (role), Invalid (says what is wrong and what to write) and NotFound.
    """

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    # --- reading --------------------------------------------------------------------------------------------

    def of_workspace(self, name: str, person: Person) -> tuple[Listed, ...]:
        """Return every variable that reaches a workspace, with where it comes from and what wins."""
        _require(person, Action.SEE)
        with self._store.reading() as tx:
            workspace = tx.workspaces.named(name)
            found = seen_by(name, tx.variables.of_workspace(workspace.id), tx.variables.sets())
        return tuple(_listed(seen, seen.set_name is None) for seen in found)

    def sets(self, person: Person) -> tuple[ListedSet, ...]:
        """Return every set with its variables, by name."""
        _require(person, Action.SEE)
        with self._store.reading() as tx:
            return tuple(_listed_set(one) for one in tx.variables.sets())

    def set_named(self, name: str, person: Person) -> ListedSet:
        """Return a set with its variables."""
        _require(person, Action.SEE)
        with self._store.reading() as tx:
            return _listed_set(_set(tx, name))

    # --- changing -------------------------------------------------------------------------------------------

    @audited(Deed.SET_VARIABLE)
    def put(self, owner: Owner, wish: Wish, person: Person) -> Listed:
        """Set a variable: a new one, or one that is there. Later runs get it; runs that are there don't.

        A sensitive variable stays so, lest a slip shows what was hidden: unset it to begin anew.
        """
        _require(person, _action(owner))
        with self._store.transaction() as tx:
            ids, there = _owned(tx, owner)
            before = _find(there, wish.category, wish.key)
            if before is not None and before.from_file:
                raise Invalid(f"{wish.key} of {owner} is set in {FILE}: change it there")
            variable = _wanted(wish, before.variable if before else None)
            check(variable)
            kept = KeptVariable(new_id("var"), variable, person.login, self._clock.now())
            kept = tx.variables.put(kept, **ids)
            self._noted(tx, person, Deed.SET_VARIABLE, owner, variable)
        log.info("%s set %s of %s", person.login, _words(variable), owner)
        return _listed(Seen(kept, owner.name if isinstance(owner, OfSet) else None), True)

    @audited(Deed.UNSET_VARIABLE)
    def unset(self, owner: Owner, category: Category, key: str, person: Person) -> None:
        """Remove a variable."""
        _require(person, _action(owner))
        with self._store.transaction() as tx:
            _, there = _owned(tx, owner)
            kept = _find(there, category, key)
            if kept is None:
                raise NotFound(f"{owner} has no {category.value} variable {key}{_elsewhere(tx, owner, key)}")
            if kept.from_file:
                raise Invalid(f"{key} of {owner} is set in {FILE}: remove it there")
            tx.variables.remove(kept.id)
            self._noted(tx, person, Deed.UNSET_VARIABLE, owner, kept.variable)
        log.info("%s unset %s of %s", person.login, _words(kept.variable), owner)

    @audited(Deed.PUT_SET)
    def put_set(
        self,
        name: str,
        person: Person,
        *,
        everywhere: bool = False,
        workspaces: Sequence[str] = (),
        description: str = "",
    ) -> ListedSet:
        """Make a set, or say anew which workspaces one reaches: all, or those that names and patterns fit."""
        _require(person, Action.EDIT_VARIABLE_SETS)
        reaches = tuple(dict.fromkeys(workspaces))
        made = VariableSet(new_id("varset"), name, everywhere, reaches, description, person.login)
        check_set(made)
        with self._store.transaction() as tx:
            before = next((one for one in tx.variables.sets() if one.name == name), None)
            if before is not None and before.from_file:
                raise Invalid(f"the set {name} is in {FILE}, which says what it reaches: change it there")
            stands = tx.variables.put_set(made)
            where = "every workspace" if everywhere else ", ".join(reaches) or "no workspace yet"
            done(tx, self._clock, person, Deed.PUT_SET, name, f"for {where}")
        log.info("%s made the set %s, for %s", person.login, name, where)
        return _listed_set(stands)

    @audited(Deed.REMOVE_SET)
    def remove_set(self, name: str, person: Person) -> None:
        """Remove a set and its variables."""
        _require(person, Action.EDIT_VARIABLE_SETS)
        with self._store.transaction() as tx:
            one = _set(tx, name)
            if one.from_file:
                raise Invalid(f"the set {name} is in {FILE}: remove it there")
            tx.variables.remove_set(one.id)
            done(tx, self._clock, person, Deed.REMOVE_SET, name, f"with {len(one.variables)} variables")
        log.info("%s removed the set %s with %d variables", person.login, name, len(one.variables))

    def _noted(self, tx: Transaction, person: Person, deed: Deed, owner: Owner, variable: Variable) -> None:
        """Note what is done to a variable, never its value (promise 6)."""
        if isinstance(owner, OfSet):
            return done(tx, self._clock, person, deed, owner.name, _words(variable))
        return done(tx, self._clock, person, deed, tx.workspaces.named(owner.name), _words(variable))


def _require(person: Person, action: Action) -> None:
    if not person.may(action):
        raise Forbidden(refusal(person, action))


def _action(owner: Owner) -> Action:
    return Action.EDIT_VARIABLES if isinstance(owner, OfWorkspace) else Action.EDIT_VARIABLE_SETS


def _owned(tx: Transaction, owner: Owner) -> tuple[dict[str, str], Sequence[KeptVariable]]:
    """Return the owner's id, as the store takes it, and its variables. Raises NotFound."""
    if isinstance(owner, OfSet):
        one = _set(tx, owner.name)
        return {"set_id": one.id}, one.variables
    workspace = tx.workspaces.named(owner.name)
    return {"workspace_id": workspace.id}, tx.variables.of_workspace(workspace.id)


def _set(tx: Transaction, name: str) -> VariableSet:
    for one in tx.variables.sets():
        if one.name == name:
            return one
    raise NotFound(f"there is no set of variables named {name}")


def _find(there: Sequence[KeptVariable], category: Category, key: str) -> KeptVariable | None:
    return next((kept for kept in there if kept.variable.place == (category, key)), None)


def _wanted(wish: Wish, before: Variable | None) -> Variable:
    """Return the variable that a wish makes of what is there. Raises Invalid."""
    if before is None:
        if wish.value is None:
            raise Invalid(f"{wish.key} is new: give it a value")
        before = Variable(wish.key, wish.value, wish.category)
    return replace(
        before,
        value=before.value if wish.value is None else wish.value,
        hcl=before.hcl if wish.hcl is None else wish.hcl,
        sensitive=wish.sensitive or before.sensitive,
        description=before.description if wish.description is None else wish.description,
    )


def _elsewhere(tx: Transaction, owner: Owner, key: str) -> str:
    """Say which sets give a workspace a variable that is not its own: the reason why it can't be unset."""
    if isinstance(owner, OfSet):
        return ""
    names = [
        one.name
        for one in tx.variables.sets()
        if one.reaches(owner.name) and any(kept.variable.key == key for kept in one.variables)
    ]
    return f" of its own; it comes from the set {', '.join(names)}" if names else ""


def _words(variable: Variable) -> str:
    hidden = "sensitive " if variable.sensitive else ""
    return f"the {hidden}{variable.category.value} variable {variable.key}"


def _listed(seen: Seen, editable: bool) -> Listed:
    kept = seen.kept
    one = kept.variable
    return Listed(
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
    )


def _listed_set(one: VariableSet) -> ListedSet:
    return ListedSet(
        name=one.name,
        everywhere=one.everywhere,
        workspaces=one.workspaces,
        description=one.description,
        made_by=one.made_by or FILE,
        from_file=one.from_file,
        variables=tuple(_listed(Seen(kept, one.name), True) for kept in one.variables),
    )
