"""Sets of variables as clients of the API make and change them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from bot.domain.errors import Invalid, NotFound
from bot.domain.ids import new_id
from bot.domain.people.audit import AuditAction
from bot.domain.people.permissions import Action, Person, require
from bot.domain.workspaces.variables import VariableSet, check_set
from bot.services.outbox.audit_log import audited, done
from bot.services.ports import Clock, Store, Transaction
from bot.services.variables.api_variables import NEW, VariableWishes, variable_of
from bot.services.variables.editor import FILE


@dataclass(frozen=True)
class SetWishes:
    """What a client wants of a set; None is not given. `workspaces` and `projects` are names."""

    name: str | None = None
    description: str | None = None
    everywhere: bool | None = None
    priority: bool | None = None
    workspaces: Sequence[str] | None = None
    projects: Sequence[str] | None = None


class ApiVariableSets:
    """Creates, changes and removes sets. Each method raises Forbidden, Invalid, NotFound.

    `person` has their role in the organization.
    """

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    @audited(AuditAction.PUT_SET)
    def create(
        self, name: str, person: Person, wishes: SetWishes, variables: Sequence[VariableWishes] = ()
    ) -> VariableSet:
        """Create a set with its variables. All or nothing."""
        require(person, Action.EDIT_VARIABLE_SETS)
        made = _with(VariableSet(new_id("varset"), name, made_by=person.login), wishes)
        with self._store.transaction() as tx:
            _check_free(tx, made)
            made = tx.variables.put_set(made)
            for each in variables:
                kept = variable_of(new_id("var"), NEW, each, person, self._clock.now())
                tx.variables.put(kept, set_id=made.id)
            detail = f"created with {len(variables)} variables"
            done(tx, self._clock, person, AuditAction.PUT_SET, made.name, detail)
            return set_by_id(tx, made.id)

    @audited(AuditAction.PUT_SET)
    def change(self, set_id: str, person: Person, wishes: SetWishes) -> VariableSet:
        """Change what is given of a set."""
        return self._change(set_id, person, lambda _: wishes)

    @audited(AuditAction.PUT_SET)
    def extend(
        self, set_id: str, person: Person, *, workspaces: Sequence[str] = (), projects: Sequence[str] = ()
    ) -> VariableSet:
        """Let a set reach more workspaces and projects."""
        return self._change(
            set_id,
            person,
            lambda before: SetWishes(
                workspaces=(*before.workspaces, *workspaces), projects=(*before.projects, *projects)
            ),
        )

    @audited(AuditAction.PUT_SET)
    def reduce(
        self, set_id: str, person: Person, *, workspaces: Sequence[str] = (), projects: Sequence[str] = ()
    ) -> VariableSet:
        """Let a set reach workspaces and projects no more. Raises Invalid if a pattern reaches one."""

        def without(before: VariableSet) -> SetWishes:
            left = tuple(each for each in before.workspaces if each not in workspaces)
            for name in workspaces:
                if replace(before, workspaces=left).names(name):
                    raise Invalid(f"a pattern of the set {before.name} reaches {name}: change the pattern")
            kept = tuple(each for each in before.projects if each not in projects)
            return SetWishes(workspaces=left, projects=kept)

        return self._change(set_id, person, without)

    @audited(AuditAction.REMOVE_SET)
    def remove(self, set_id: str, person: Person) -> None:
        """Remove a set and its variables."""
        require(person, Action.EDIT_VARIABLE_SETS)
        with self._store.transaction() as tx:
            one = _ours(tx, set_id)
            tx.variables.remove_set(one.id)
            what = f"with {len(one.variables)} variables"
            done(tx, self._clock, person, AuditAction.REMOVE_SET, one.name, what)

    def _change(self, set_id: str, person: Person, wanted: Callable[[VariableSet], SetWishes]) -> VariableSet:
        require(person, Action.EDIT_VARIABLE_SETS)
        with self._store.transaction() as tx:
            before = _ours(tx, set_id)
            made = _with(before, wanted(before))
            _check_free(tx, made)
            if made.name != before.name:
                tx.variable_ids.rename_set(before.id, made.name)
            made = tx.variables.put_set(made)
            done(tx, self._clock, person, AuditAction.PUT_SET, made.name, f"was {before.name}"[:200])
        return made


def set_by_id(tx: Transaction, set_id: str) -> VariableSet:
    """Return a set by its id. Raises NotFound."""
    for one in tx.variables.sets():
        if one.id == set_id:
            return one
    raise NotFound(f"there is no variable set {set_id}")


def rename_in_sets(tx: Transaction, old: str, new: str = "") -> None:
    """Give a workspace another name in the sets that name it; without a new one, take it out of them.

    Those of plangate.yml name what they name.
    """
    for one in tx.variables.sets():
        if one.from_file or old not in one.workspaces:
            continue
        names = (new if each == old else each for each in one.workspaces)
        tx.variables.put_set(replace(one, workspaces=tuple(dict.fromkeys(filter(None, names)))))


def rename_project_in_sets(tx: Transaction, old: str, new: str = "") -> None:
    """Give a project another name in the sets that name it; without a new one, take it out of them."""
    for one in tx.variables.sets():
        if old in one.projects:
            names = (new if each == old else each for each in one.projects)
            tx.variables.put_set(replace(one, projects=tuple(dict.fromkeys(filter(None, names)))))


def _ours(tx: Transaction, set_id: str) -> VariableSet:
    one = set_by_id(tx, set_id)
    if one.from_file:
        raise Invalid(f"the set {one.name} is in {FILE}: change it there")
    return one


def _check_free(tx: Transaction, wanted: VariableSet) -> None:
    if any(one.name == wanted.name and one.id != wanted.id for one in tx.variables.sets()):
        raise Invalid("Name has already been taken")


def _with(before: VariableSet, wishes: SetWishes) -> VariableSet:
    given = {name: value for name, value in vars(wishes).items() if value is not None}
    for name in ("workspaces", "projects"):
        if name in given:
            given[name] = tuple(dict.fromkeys(given[name]))
        elif given.get("everywhere"):
            given[name] = ()
    made = replace(before, **given)
    check_set(made)
    return made
