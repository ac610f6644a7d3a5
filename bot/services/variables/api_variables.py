"""Variables of workspaces and sets as clients of the API see them: each has an id, which it keeps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from bot.domain.errors import Invalid, NotFound
from bot.domain.ids import new_id
from bot.domain.people.audit import AuditAction
from bot.domain.people.permissions import Person, require
from bot.domain.workspaces.variables import Category, StoredVariable, Variable, check
from bot.services.outbox.audit_log import audited
from bot.services.ports import Clock, Store
from bot.services.variables.editor import FILE, Owner, action_on, noted, owned

NEW = Variable("", "")
"""What a new variable has that its wishes do not say."""


@dataclass(frozen=True)
class VariableWishes:
    """What a client wants of a variable; None is not given."""

    key: str | None = None
    value: str | None = field(default=None, repr=False)
    category: Category | None = None
    hcl: bool | None = None
    sensitive: bool | None = None
    description: str | None = None


class ApiVariables:
    """Creates, changes and removes variables. Each method raises Forbidden, Invalid, NotFound.

    Later runs get the change, existing runs don't.
    """

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    @audited(AuditAction.SET_VARIABLE)
    def create(self, owner: Owner, person: Person, wishes: VariableWishes) -> StoredVariable:
        """Create a variable. Raises Invalid if there is one of that name."""
        require(person, action_on(owner))
        with self._store.transaction() as tx:
            ids, there = owned(tx, owner)
            kept = variable_of(new_id("var"), NEW, wishes, person, self._clock.now())
            _check_free(there, kept)
            made = tx.variables.put(kept, **ids)
            noted(tx, self._clock, person, AuditAction.SET_VARIABLE, owner, made.variable)
        return made

    @audited(AuditAction.SET_VARIABLE)
    def change(
        self, owner: Owner, variable_id: str, person: Person, wishes: VariableWishes
    ) -> StoredVariable:
        """Change what is given of a variable. A sensitive one stays sensitive, and keeps its value."""
        require(person, action_on(owner))
        with self._store.transaction() as tx:
            ids, there = owned(tx, owner)
            before = _one(there, variable_id, owner)
            if wishes.sensitive is False and before.variable.sensitive:
                raise Invalid(
                    f"{before.variable.key} is sensitive and stays so: delete it and create another"
                )
            kept = variable_of(before.id, before.variable, wishes, person, self._clock.now())
            _check_free(there, kept)
            if kept.variable.place != before.variable.place:
                tx.variables.remove(before.id)
            made = tx.variables.put(kept, **ids)
            noted(tx, self._clock, person, AuditAction.SET_VARIABLE, owner, made.variable)
        return made

    @audited(AuditAction.UNSET_VARIABLE)
    def remove(self, owner: Owner, variable_id: str, person: Person) -> None:
        """Remove a variable."""
        require(person, action_on(owner))
        with self._store.transaction() as tx:
            _, there = owned(tx, owner)
            kept = _one(there, variable_id, owner)
            tx.variables.remove(kept.id)
            noted(tx, self._clock, person, AuditAction.UNSET_VARIABLE, owner, kept.variable)


def variable_of(
    variable_id: str, before: Variable, wishes: VariableWishes, person: Person, at: datetime
) -> StoredVariable:
    """Return the variable that the wishes make of another one. Raises Invalid."""
    given = {name: value for name, value in vars(wishes).items() if value is not None}
    variable = replace(before, **given)
    check(variable)
    return StoredVariable(variable_id, variable, person.login, at)


def _one(there: Sequence[StoredVariable], variable_id: str, owner: Owner) -> StoredVariable:
    """Return a variable that may be changed here. Raises NotFound, Invalid."""
    found = next((kept for kept in there if kept.id == variable_id), None)
    if found is None:
        raise NotFound(f"{owner} has no variable {variable_id}")
    if found.from_file:
        raise Invalid(f"{found.variable.key} of {owner} is set in {FILE}: change it there")
    return found


def _check_free(there: Sequence[StoredVariable], wanted: StoredVariable) -> None:
    if any(kept.variable.place == wanted.variable.place and kept.id != wanted.id for kept in there):
        raise Invalid("Key has already been taken")
