"""Workspaces: list, create, read, change, delete, lock and unlock."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any

from flask import Response, request

from bot.domain.errors import Conflict, Forbidden, IllegalMove, Invalid
from bot.domain.people.permissions import Person, Role
from bot.domain.runs.lifecycle import RunStatus
from bot.domain.runs.run import Run
from bot.domain.workspaces.project import of_a_name
from bot.domain.workspaces.workspace import EngineKind, ExecutionMode, Workspace
from bot.services.ports import RunQuery, Transaction
from bot.services.workspaces.api_workspaces import WorkspaceWishes
from bot.web.api import documents, organizations, projects, reading, rights
from bot.web.api.documents import ApiResource
from bot.web.api.registry import ApiField, ApiParameter, ApiRoutes, FieldKind
from bot.web.api.shapes.runs import run_resource
from bot.web.api.shapes.workspaces import workspace_resource
from bot.web.request import access, api_failures
from bot.web.request.services import services

routes = ApiRoutes("workspaces")

Seen = tuple[Workspace, Person]

_ID = "/workspaces/<workspace_id>"
_NAME = "/organizations/<organization_name>/workspaces/<workspace_name>"
_FIELDS = (
    ApiField("name"),
    ApiField("description"),
    ApiField("auto-apply", FieldKind.BOOLEAN),
    ApiField("working-directory"),
    ApiField("terraform-version", about="`latest`, or a version that the workers have"),
    ApiField("execution-mode", choices=("remote", "local")),
    ApiField("operations", FieldKind.BOOLEAN, "the older word for the execution mode"),
    ApiField("global-remote-state", FieldKind.BOOLEAN, "whether runs of all workspaces may read the state"),
)
_INCLUDES = ("organization", "current_run", "project")
_ABOUT: dict[str, Any] = {"gives": "workspaces", "includes": _INCLUDES}
_SENT: dict[str, Any] = {
    "takes": "workspaces",
    "fields": _FIELDS,
    "relationships": ("project", "tags", "tag-bindings"),
}


@routes.get(
    "/organizations/<organization_name>/workspaces",
    summary="List workspaces",
    many=True,
    query=(
        ApiParameter("search[name]", "a part of the name"),
        ApiParameter("search[wildcard-name]", "a pattern with `*`"),
        ApiParameter("search[tags]", "all of these tags, with commas"),
        ApiParameter("search[exclude-tags]", "none of these tags"),
        ApiParameter("filter[tagged][0][key]", "a tag with a value"),
        ApiParameter("filter[current-run][status]"),
        ApiParameter("filter[project][id]"),
        ApiParameter("sort", "`name`, `-name`"),
    ),
    **_ABOUT,
)
def listing(organization_name: str) -> Response:
    """Answer with the workspaces that who asks may see."""
    organizations.check_name(organization_name)
    found = [each for each in rights.visible() if _matches(each[0])]
    if project_id := request.args.get("filter[project][id]", ""):
        project = projects.seen(project_id)
        found = [each for each in found if project.has(each[0])]
    statuses = reading.words("filter[current-run][status]")
    if statuses:
        with services().store.reading() as tx:
            found = [each for each in found if (run := current_run(tx, each[0])) and run.status in statuses]
    ordered = reading.sorted_by(found, {"name": lambda each: each[0].name}, "name")
    part, page = reading.part(ordered)
    return documents.many(_resources(part), page, _included(part))


@routes.post(
    "/organizations/<organization_name>/workspaces",
    summary="Create a workspace",
    status=201,
    **_SENT,
    **_ABOUT,
)
def create(organization_name: str) -> Response:
    """Create a workspace without a repository."""
    organizations.check_name(organization_name)
    sent = reading.sent()
    if not sent.text("name"):
        raise Invalid("Name can't be blank")
    token = access.asker().token
    if token is not None and not token.reaches(sent.text("name")):
        raise Forbidden("this token is limited to other workspaces")
    made = services().api_workspaces.create(access.person_asking(), _wishes(_without_own_version(sent)))
    return documents.one(_resources([(made, rights.person_in(made))])[0], 201)


@routes.get(_ID, summary="Show a workspace by its id", **_ABOUT)
def show(workspace_id: str) -> Response:
    """Answer with a workspace."""
    return answer(rights.workspace(workspace_id))


@routes.get(_NAME, summary="Show a workspace by its name", **_ABOUT)
def show_named(organization_name: str, workspace_name: str) -> Response:
    """Answer with a workspace."""
    return answer(rights.named(organization_name, workspace_name))


@routes.patch(_ID, summary="Change a workspace by its id", **_SENT, **_ABOUT)
def change(workspace_id: str) -> Response:
    """Change settings of a workspace."""
    return _changed(rights.workspace(workspace_id))


@routes.patch(_NAME, summary="Change a workspace by its name", **_SENT, **_ABOUT)
def change_named(organization_name: str, workspace_name: str) -> Response:
    """Change settings of a workspace."""
    return _changed(rights.named(organization_name, workspace_name))


@routes.delete(_ID, summary="Delete a workspace by its id", status=204)
def delete(workspace_id: str) -> Response:
    """Delete a workspace, whatever it manages."""
    return _deleted(rights.workspace(workspace_id))


@routes.delete(_NAME, summary="Delete a workspace by its name", status=204)
def delete_named(organization_name: str, workspace_name: str) -> Response:
    """Delete a workspace, whatever it manages."""
    return _deleted(rights.named(organization_name, workspace_name))


@routes.post(f"{_ID}/actions/safe-delete", summary="Delete a workspace that manages nothing", status=204)
def safe_delete(workspace_id: str) -> Response:
    """Delete a workspace, if it manages nothing."""
    return _deleted(rights.workspace(workspace_id), safely=True)


@routes.post(f"{_NAME}/actions/safe-delete", summary="Delete a named one that manages nothing", status=204)
def safe_delete_named(organization_name: str, workspace_name: str) -> Response:
    """Delete a workspace, if it manages nothing."""
    return _deleted(rights.named(organization_name, workspace_name), safely=True)


@routes.post(f"{_ID}/actions/lock", summary="Lock a workspace", **_ABOUT)
def lock(workspace_id: str) -> Response:
    """Lock a workspace for who asks."""
    there, person = rights.workspace(workspace_id)
    locks = services().workspace_locks
    there = locks.lock(there.name, person, reading.said("reason"), writes_state=True)
    return answer((there, person))


@routes.post(f"{_ID}/actions/unlock", summary="Unlock a workspace", **_ABOUT)
def unlock(workspace_id: str) -> Response:
    """Unlock a workspace that who asks has locked."""
    there, person = rights.workspace(workspace_id)
    if there.lock is not None and there.lock.by != person.login and person.role >= Role.WRITE:
        # Clients look for these very words.
        raise Conflict(f"Unable to unlock workspace: the workspace is locked by User {there.lock.by}")
    if there.lock is None and (held := _held(there)):
        raise Conflict(f"Unable to unlock workspace: the workspace is locked by Run {held.id}")
    return answer((services().workspace_locks.unlock(there.name, person), person))


@routes.post(f"{_ID}/actions/force-unlock", summary="Unlock a workspace that somebody else locked", **_ABOUT)
def force_unlock(workspace_id: str) -> Response:
    """Unlock a workspace by force."""
    there, person = rights.workspace(workspace_id)
    return answer((services().workspace_locks.force_unlock(there.name, person), person))


def answer(seen: Seen, status: int = 200) -> Response:
    """Answer with a workspace, and what it includes."""
    return documents.one(_resources([seen])[0], status, _included([seen]))


def current_run(tx: Transaction, there: Workspace) -> Run | None:
    """Return the run that clients count the queue from: the holder, else the next one, else the latest."""
    if queue := tx.runs.queue(there.id):
        return queue[0]
    latest = tx.runs.find(RunQuery(workspace_id=there.id, plan_only=False, limit=1))
    return latest[0] if latest else None


def _resources(found: Sequence[Seen]) -> list[ApiResource]:
    organization = services().config.organization.name
    with services().store.reading() as tx:
        states = tx.states.currents([there.id for there, _ in found])
        made = {each.name: each.id for each in tx.projects.all()}
        return [
            workspace_resource(
                there,
                person,
                organization,
                current_run(tx, there),
                states[there.id].id if there.id in states else "",
                made.get(there.project) or of_a_name(there.project).id,
            )
            for there, person in found
        ]


def _included(found: Sequence[Seen]) -> list[ApiResource]:
    def runs(seen: Seen) -> list[ApiResource]:
        there, person = seen
        with services().store.reading() as tx:
            run = current_run(tx, there)
            return [run_resource(tx, run, there, person)] if run else []

    def project(seen: Seen) -> list[ApiResource]:
        return [projects.shown(each) for each in projects.visible() if each.has(seen[0])]

    known: Mapping[str, reading.Include[Seen]] = {
        "project": project,
        "organization": lambda _: [organizations.organization()],
        "current_run": runs,
    }
    return reading.included(found, known)


def _matches(there: Workspace) -> bool:
    args = request.args
    if args.get("search[name]", "").casefold() not in there.name.casefold():
        return False
    pattern = args.get("search[wildcard-name]", "")
    if pattern and not fnmatchcase(there.name.casefold(), pattern.casefold()):
        return False
    mine = {*there.tags, *(key for key, _ in there.details.bindings)}
    if not reading.words("search[tags]") <= mine or reading.words("search[exclude-tags]") & mine:
        return False
    values = dict(there.details.bindings)
    return all(
        key in mine and value in (None, "", values.get(key)) for key, value in reading.tagged().items()
    )


def _wishes(sent: reading.Sent) -> WorkspaceWishes:
    if sent.has("operations") and sent.has("execution-mode"):
        raise Invalid("Operations and execution-mode can't be given together")
    given = sent.attributes
    execution = ExecutionMode(given["execution-mode"]) if sent.has("execution-mode") else None
    if sent.has("operations"):
        execution = ExecutionMode.REMOTE if given["operations"] else ExecutionMode.LOCAL
    names = [each for each in sent.all_related("tags") if _tag(each)]
    return WorkspaceWishes(
        name=given.get("name"),
        description=given.get("description"),
        auto_apply=given.get("auto-apply"),
        working_directory=given.get("working-directory"),
        engine_version=_version(given.get("terraform-version")),
        execution=execution,
        shares_with_all=given.get("global-remote-state"),
        project=projects.seen(sent.related("project")).named_in if sent.related("project") else None,
        tags=[_tag(each) for each in names] if "tags" in sent.relationships else None,
        bindings=bindings(sent.all_related("tag-bindings")) if "tag-bindings" in sent.relationships else None,
    )


def bindings(found: Sequence[Mapping[str, Any]]) -> list[tuple[str, str]]:
    """Return tags with values. Raises Invalid."""
    read = []
    for each in found:
        about = each.get("attributes")
        about = about if isinstance(about, dict) else {}
        key, value = about.get("key"), about.get("value") or ""
        if not isinstance(key, str) or not isinstance(value, str):
            raise Invalid("a tag binding has a key and a value, which are strings")
        read.append((key, value))
    return read


def _tag(found: Mapping[str, Any]) -> str:
    """Return the name of a tag that is given by its name, or by its id, which is the name here."""
    about = found.get("attributes")
    name = (about.get("name") if isinstance(about, dict) else "") or found.get("id") or ""
    return name if isinstance(name, str) else ""


def tag_of(found: Mapping[str, Any]) -> str:
    """Return the name of a tag. Raises Invalid if there is none."""
    if not (name := _tag(found)):
        raise Invalid("a tag needs a name")
    return name


def _without_own_version(sent: reading.Sent) -> reading.Sent:
    """Leave out the version if the CLI asks for its own one and the workers lack it.

    With `backend "remote"`, `terraform workspace new` has no other way to ask. With a `cloud` block, the CLI
    asks after the creation, and goes on if it is refused.
    """
    asked = sent.text("terraform-version")
    if not asked or request.headers.get("Terraform-Version") != asked:
        return sent
    if not services().engine_versions.why_not(EngineKind.TERRAFORM, asked):
        return sent
    others = {name: value for name, value in sent.attributes.items() if name != "terraform-version"}
    return reading.Sent(others, sent.relationships)


def _version(asked: str | None) -> str | None:
    """Return a version that the workers have. Raises Invalid."""
    if asked in (None, "", "latest"):
        return asked
    if why := services().engine_versions.why_not(EngineKind.TERRAFORM, str(asked)):
        raise Invalid(why)
    return asked


def _changed(seen: Seen) -> Response:
    there, person = seen
    made = services().api_workspaces.change(there.id, person, _wishes(reading.sent()))
    return answer((made, person))


def _deleted(seen: Seen, *, safely: bool = False) -> Response:
    there, person = seen
    try:
        services().api_workspaces.delete(there.id, person, safely=safely)
    except IllegalMove as error:
        return api_failures.document(409, str(error))
    return documents.nothing()


def _held(there: Workspace) -> Run | None:
    with services().store.reading() as tx:
        queue = tx.runs.queue(there.id)
    return queue[0] if queue and queue[0].status is not RunStatus.PENDING else None
