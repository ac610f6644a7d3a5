"""Projects that are made through the API: create, change, delete.

Those that plangate.yml names are the same projects. Their workspaces are moved there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from bot.domain.errors import Conflict, Forbidden, Invalid, NotFound
from bot.domain.ids import new_id
from bot.domain.people.audit import AuditAction
from bot.domain.people.permissions import Person, Role
from bot.domain.workspaces.project import (
    DEFAULT_NAME,
    LONGEST_DESCRIPTION,
    LONGEST_NAME,
    NAME,
    Project,
    all_projects,
)
from bot.services.outbox.audit_log import audited, done
from bot.services.ports import Clock, Store, Transaction
from bot.services.variables.api_sets import rename_project_in_sets

MOST = 1000
"""How many projects may be made."""


class Projects:
    """Finds, creates, changes and deletes projects. `person` has their role in the organization."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    def all(self, tx: Transaction) -> Sequence[Project]:
        """Return every project, the default one first."""
        return all_projects(tx.projects.all(), tx.workspaces.all())

    def get(self, tx: Transaction, project_id: str) -> Project:
        """Return a project. Raises NotFound."""
        for each in self.all(tx):
            if each.id == project_id:
                return each
        raise NotFound(f"there is no project {project_id}")

    def make(self, person: Person, name: str, description: str = "") -> Project:
        """Create a project. Raises Forbidden, Invalid."""
        _require_admin(person)
        with self._store.transaction() as tx:
            if len(tx.projects.all()) >= MOST:
                raise Invalid(f"there are {MOST} projects already: delete one that is not needed")
            self._check(tx, name)
            made = Project(new_id("prj"), name, _one_line(description), self._clock.now())
            tx.projects.put(made)
            done(tx, self._clock, person, AuditAction.MAKE_PROJECT, "", subject=name)
        return made

    @audited(AuditAction.CHANGE_PROJECT)
    def change(
        self, project_id: str, person: Person, name: str | None = None, description: str | None = None
    ) -> Project:
        """Change a project's name or description. Raises Forbidden, Invalid, NotFound.

        A name that plangate.yml gives is changed there.
        """
        _require_admin(person)
        with self._store.transaction() as tx:
            standing = _made(self.get(tx, project_id))
            wanted = standing
            if description is not None:
                wanted = replace(wanted, description=_one_line(description))
            if name is not None and name != standing.name:
                self._check(tx, name)
                wanted = replace(wanted, name=name)
                for workspace in [each for each in tx.workspaces.all() if standing.has(each)]:
                    if not workspace.made_by_api:
                        raise Invalid(
                            f"plangate.yml names {standing.name} for {workspace.name}: change it there"
                        )
                    tx.workspaces.save(replace(workspace, project=name))
                rename_project_in_sets(tx, standing.name, name)
            tx.projects.put(wanted)
            done(tx, self._clock, person, AuditAction.CHANGE_PROJECT, "", subject=standing.name)
        return wanted

    @audited(AuditAction.DELETE_PROJECT)
    def delete(self, project_id: str, person: Person) -> None:
        """Delete a project without workspaces. Raises Forbidden, Invalid, NotFound, Conflict."""
        _require_admin(person)
        with self._store.transaction() as tx:
            standing = _made(self.get(tx, project_id))
            if any(standing.has(each) for each in tx.workspaces.all()):
                raise Conflict(f"{standing.name} has workspaces: move or delete them first")
            tx.projects.remove(standing.id)
            rename_project_in_sets(tx, standing.name)
            done(tx, self._clock, person, AuditAction.DELETE_PROJECT, "", subject=standing.name)

    def _check(self, tx: Transaction, name: str) -> None:
        if not NAME.fullmatch(name):
            raise Invalid(f"Name must be 1 to {LONGEST_NAME} letters, digits, spaces, `-`, `_` and `.`")
        if name == DEFAULT_NAME or any(each.name == name for each in self.all(tx)):
            raise Invalid("Name has already been taken")


def _made(project: Project) -> Project:
    if project.default:
        raise Invalid("the default project can't be changed or deleted")
    if project.created_at is None:
        raise Invalid(f"plangate.yml names the project {project.name}: change it there")
    return project


def _one_line(description: str) -> str:
    if len(description) > LONGEST_DESCRIPTION or not description.isprintable():
        raise Invalid(f"a project's description is one line of {LONGEST_DESCRIPTION} characters at most")
    return description


def _require_admin(person: Person) -> None:
    if person.role < Role.ADMIN:
        raise Forbidden("only administrators of the organization create, change and delete projects")
