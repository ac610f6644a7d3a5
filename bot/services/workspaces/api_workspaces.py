"""Workspaces made through the API: create, change, delete.

Those of plangate.yml keep their settings there: they can only be read here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from bot.domain.errors import Forbidden, IllegalMove, Invalid, NotFound
from bot.domain.events import NO_REPO
from bot.domain.ids import new_id
from bot.domain.people.audit import AuditAction
from bot.domain.people.permissions import Person, Role
from bot.domain.plans.modes import Mode
from bot.domain.states.file import json_object
from bot.domain.workspaces.discovery import NAME, NAME_LENGTH
from bot.domain.workspaces.isolation import Isolation
from bot.domain.workspaces.workspace import ApiDetails, ExecutionMode, Workspace
from bot.services.outbox.audit_log import audited, done
from bot.services.ports import Clock, Store, Transaction
from bot.services.runs.removed_workspaces import remove
from bot.services.variables.api_sets import rename_in_sets

MOST_TAGS = 50
LONGEST_TAG = 255
LONGEST_DESCRIPTION = 2000


@dataclass(frozen=True)
class WorkspaceWishes:
    """What a client wants of a workspace; None is not given. `bindings` replace all tags with values.

    `project` is the name of one that there is, empty for the default project.
    """

    name: str | None = None
    description: str | None = None
    auto_apply: bool | None = None
    working_directory: str | None = None
    engine_version: str | None = None
    execution: ExecutionMode | None = None
    tags: Sequence[str] | None = None
    bindings: Sequence[tuple[str, str]] | None = None
    project: str | None = None
    shares_with_all: bool | None = None


class ApiWorkspaces:
    """Creates, changes and deletes workspaces. `isolation` is what plangate.yml's workspaces have by default.

    Each method raises Forbidden, Invalid, Conflict, IllegalMove, NotFound.
    """

    def __init__(self, store: Store, clock: Clock, isolation: Isolation) -> None:
        self._store = store
        self._clock = clock
        self._isolation = isolation

    def create(self, person: Person, wishes: WorkspaceWishes) -> Workspace:
        """Create a workspace. `person` has their role in the organization."""
        if person.role < Role.ADMIN:
            raise Forbidden("only administrators of the organization create workspaces")
        now = self._clock.now()
        fresh = Workspace(
            id=new_id("ws"),
            name="",
            repo=NO_REPO,
            allowed_modes=tuple(Mode),
            isolation=self._isolation,
            made_by_api=True,
            details=ApiDetails(created_at=now),
        )
        made = _with(fresh, wishes)
        with self._store.transaction() as tx:
            _check_free(tx, made)
            made = tx.workspaces.put(made)
            done(tx, self._clock, person, AuditAction.MAKE_WORKSPACE, made)
        return made

    @audited(AuditAction.CHANGE_WORKSPACE)
    def change(self, workspace_id: str, person: Person, wishes: WorkspaceWishes) -> Workspace:
        """Change settings of a workspace; `person` has their role there."""
        _require_admin(person)
        with self._store.transaction() as tx:
            workspace = _ours(tx, workspace_id)
            changed = _with(workspace, wishes)
            if changed == workspace:
                return workspace
            _check_free(tx, changed)
            done(
                tx,
                self._clock,
                person,
                AuditAction.CHANGE_WORKSPACE,
                workspace,
                _differences(workspace, changed),
            )
            if changed.name != workspace.name:
                rename_in_sets(tx, workspace.name, changed.name)
                _rename_reader(tx, workspace, changed.name)
            return tx.workspaces.save(changed)

    @audited(AuditAction.CHANGE_WORKSPACE)
    def share(
        self,
        workspace_id: str,
        person: Person,
        *,
        add: Sequence[str] = (),
        drop: Sequence[str] = (),
        instead: Sequence[str] | None = None,
    ) -> None:
        """Change the names of the workspaces that may read the state; `instead` replaces them all.

        Raises Invalid if the state is shared with all workspaces.
        """
        _require_admin(person)
        with self._store.transaction() as tx:
            workspace = _ours(tx, workspace_id)
            if workspace.shares_with_all:
                raise Invalid(f"{workspace.name} shares its state with all: set global-remote-state to false")
            names = (*workspace.share_state_with, *add) if instead is None else instead
            shares = tuple(dict.fromkeys(name for name in names if name not in drop))
            if shares == workspace.share_state_with:
                return
            detail = f"share_state_with: {', '.join(shares) or 'nobody'}"
            done(tx, self._clock, person, AuditAction.CHANGE_WORKSPACE, workspace, detail)
            tx.workspaces.save(replace(workspace, share_state_with=shares))

    @audited(AuditAction.DELETE_WORKSPACE)
    def delete(self, workspace_id: str, person: Person, *, safely: bool = False) -> None:
        """Delete a workspace: it gives up its name, and its runs and states stay for the record.

        Refused while a run is at work. `safely`: also refused while it is locked or manages resources.
        """
        _require_admin(person)
        with self._store.transaction() as tx:
            workspace = _ours(tx, workspace_id)
            if any(run.holds_workspace for run in tx.runs.queue(workspace.id)):
                raise IllegalMove(f"{workspace.name} is being processed by a run: let it end, or cancel it")
            if safely and workspace.lock is not None:
                raise IllegalMove(f"{workspace.name} is locked")
            if safely and _manages(tx, workspace):
                raise IllegalMove(
                    f"{workspace.name} still manages resources: destroy them first, or force it"
                )
            done(tx, self._clock, person, AuditAction.DELETE_WORKSPACE, workspace)
            if workspace.lock is not None:
                tx.workspaces.set_lock(workspace.id, None)
            rename_in_sets(tx, workspace.name)
            _rename_reader(tx, workspace)
            # A name that nobody can give: the next workspace of this name starts from nothing.
            remove(tx, replace(workspace, name=f"{workspace.name}~{workspace.id}"), self._clock.now())


def _manages(tx: Transaction, workspace: Workspace) -> bool:
    """Whether a workspace's state has resources. One that can't be read, or is encrypted, may have some."""
    current = tx.states.current(workspace.id)
    if current is None:
        return False
    state = json_object(tx.states.data(current.id))
    resources = None if state is None or "encrypted_data" in state else state.get("resources", [])
    if not isinstance(resources, list) or not all(isinstance(each, dict) for each in resources):
        return True
    return any(each.get("mode") != "data" and each.get("instances") != [] for each in resources)


def _rename_reader(tx: Transaction, workspace: Workspace, new: str = "") -> None:
    """Give a workspace its new name where states are shared with it; without one, share no more with it.

    plangate.yml names what it names. Without this, the next workspace of that name could read the states.
    """
    for source in tx.workspaces.all(sharing=True):
        if source.made_by_api and source.id != workspace.id and workspace.name in source.share_state_with:
            names = (new if each == workspace.name else each for each in source.share_state_with)
            tx.workspaces.save(replace(source, share_state_with=tuple(dict.fromkeys(filter(None, names)))))


def _require_admin(person: Person) -> None:
    if person.role < Role.ADMIN:
        raise Forbidden(f"{person.login} may not change the settings of this workspace")


def _ours(tx: Transaction, workspace_id: str) -> Workspace:
    workspace = tx.workspaces.get(workspace_id, for_update=True)
    if not workspace.active:
        raise NotFound(f"there is no workspace {workspace_id}")
    if not workspace.made_by_api:
        raise Invalid(f"the settings of {workspace.name} are in plangate.yml: change them there")
    return workspace


def _check_free(tx: Transaction, wanted: Workspace) -> None:
    try:
        standing = tx.workspaces.named(wanted.name)
    except NotFound:
        return
    if standing.id != wanted.id:
        raise Invalid("Name has already been taken")


def _with(workspace: Workspace, wishes: WorkspaceWishes) -> Workspace:
    """Return the workspace with what was given. Raises Invalid."""
    name = workspace.name if wishes.name is None else wishes.name
    if not NAME.fullmatch(name):
        raise Invalid(f"Name must be 1 to {NAME_LENGTH} letters, digits, `-` and `_`")
    directory = workspace.working_directory
    if wishes.working_directory is not None:
        directory = wishes.working_directory.strip("/")
        if ".." in directory.split("/") or not directory.isprintable() or len(directory) > 500:
            raise Invalid("Working directory must be a path inside the configuration")
    details = workspace.details
    if wishes.description is not None:
        details = replace(details, description=wishes.description[:LONGEST_DESCRIPTION])
    if wishes.execution is not None:
        details = replace(details, execution=wishes.execution)
    if wishes.bindings is not None:
        details = replace(details, bindings=tuple(sorted(dict(wishes.bindings).items())))
    tags = workspace.tags if wishes.tags is None else tuple(dict.fromkeys(wishes.tags))
    for tag in (*tags, *(key for key, _ in details.bindings)):
        if not tag or len(tag) > LONGEST_TAG or not tag.isprintable():
            raise Invalid(f"{tag!r} is not a valid tag")
    for key, value in details.bindings:
        if len(value) > LONGEST_TAG or not value.isprintable():
            raise Invalid(f"the value of the tag {key} must be one line of {LONGEST_TAG} characters at most")
    if len(tags) + len(details.bindings) > MOST_TAGS:
        raise Invalid(f"a workspace may have {MOST_TAGS} tags at most")
    shares = workspace.share_state_with
    if wishes.shares_with_all is not None and wishes.shares_with_all is not workspace.shares_with_all:
        shares = ("*",) if wishes.shares_with_all else ()
    version = workspace.engine_version if wishes.engine_version is None else wishes.engine_version
    return replace(
        workspace,
        name=name,
        working_directory="" if directory == "." else directory,
        auto_apply=workspace.auto_apply if wishes.auto_apply is None else wishes.auto_apply,
        engine_version="" if version == "latest" else version,
        tags=tags,
        details=details,
        share_state_with=shares,
        project=workspace.project if wishes.project is None else wishes.project,
    )


def _differences(before: Workspace, after: Workspace) -> str:
    names = [
        "name",
        "working_directory",
        "auto_apply",
        "engine_version",
        "tags",
        "details",
        "project",
        "share_state_with",
    ]
    return ", ".join(name for name in names if getattr(before, name) != getattr(after, name))
