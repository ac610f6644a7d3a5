"""Projects: list, create, read, change, delete, and move workspaces into one."""

from __future__ import annotations

from collections.abc import Sequence

from flask import Response, request

from bot.domain.errors import Invalid, NotFound
from bot.domain.people.permissions import Role
from bot.domain.workspaces.project import Project
from bot.services.workspaces.api_workspaces import WorkspaceWishes
from bot.web.api import documents, organizations, reading, rights
from bot.web.api.documents import ApiLink, ApiResource, Related, moment
from bot.web.api.registry import ApiField, ApiParameter, ApiRoutes
from bot.web.request import access
from bot.web.request.services import services

routes = ApiRoutes("projects")

_ALL = "/organizations/<organization_name>/projects"
_ID = "/projects/<project_id>"
_MOVED = f"{_ID}/relationships/workspaces"
_FIELDS = (ApiField("name"), ApiField("description"))


@routes.get(
    _ALL,
    summary="List projects",
    gives="projects",
    many=True,
    query=(
        ApiParameter("filter[names]", "names, with commas"),
        ApiParameter("filter[ids]", "ids, with commas"),
        ApiParameter("q", "a part of the name"),
        ApiParameter("sort", "`name`, `-name`"),
    ),
)
def listing(organization_name: str) -> Response:
    """Answer with the projects that who asks may see."""
    organizations.check_name(organization_name)
    names, ids = reading.words("filter[names]"), reading.words("filter[ids]")
    part_of_name = request.args.get("q", "").casefold()
    found = [
        each
        for each in visible()
        if (not names or each.name in names)
        and (not ids or each.id in ids)
        and part_of_name in each.name.casefold()
    ]
    ordered = reading.sorted_by(found, {"name": lambda each: each.name}, "name")
    part, page = reading.part(ordered)
    return documents.many(map(shown, part), page)


@routes.post(_ALL, summary="Create a project", status=201, gives="projects", takes="projects", fields=_FIELDS)
def create(organization_name: str) -> Response:
    """Create a project."""
    organizations.check_name(organization_name)
    sent = reading.sent()
    person = access.person_asking()
    made = services().projects.make(person, sent.text("name"), sent.text("description"))
    return documents.one(shown(made), 201)


@routes.get(_ID, summary="Show a project", gives="projects")
def show(project_id: str) -> Response:
    """Answer with a project."""
    return documents.one(shown(seen(project_id)))


@routes.patch(_ID, summary="Change a project", gives="projects", takes="projects", fields=_FIELDS)
def change(project_id: str) -> Response:
    """Change a project's name or description."""
    sent, project = reading.sent(), seen(project_id)
    name, description = sent.attributes.get("name"), sent.attributes.get("description")
    made = services().projects.change(project.id, access.person_asking(), name, description)
    return documents.one(shown(made))


@routes.delete(_ID, summary="Delete a project that has no workspaces", status=204)
def delete(project_id: str) -> Response:
    """Delete a project."""
    services().projects.delete(seen(project_id).id, access.person_asking())
    return documents.nothing()


@routes.post(
    _MOVED, summary="Move workspaces into a project", status=204, takes="workspaces", takes_many=True
)
def move(project_id: str) -> Response:
    """Move workspaces that were made through the API. All may be changed, or none is."""
    project = seen(project_id)
    ids = [each.get("id") for each in reading.sent_list()]
    if not all(isinstance(each, str) and each for each in ids):
        raise Invalid("each workspace needs an id")
    found = [rights.workspace(str(each), Role.ADMIN) for each in ids]
    for there, _ in found:
        if not there.made_by_api:
            raise Invalid(f"the settings of {there.name} are in plangate.yml: change them there")
    for there, person in found:
        wishes = WorkspaceWishes(project=project.named_in)
        services().api_workspaces.change(there.id, person, wishes)
    return documents.nothing()


def seen(project_id: str) -> Project:
    """Return a project that who asks may see. Raises NotFound."""
    for each in visible():
        if each.id == project_id:
            return each
    raise NotFound(f"there is no project {project_id}")


def visible() -> Sequence[Project]:
    """Return the projects that who asks may see: as a member all, else those of visible workspaces."""
    with services().store.reading() as tx:
        found = services().projects.all(tx)
    asker = access.asker()
    limited = asker.token is not None and bool(asker.token.workspaces)
    if access.person_asking().role >= Role.READ and not limited:
        return found
    named = {there.project for there, _ in rights.visible()}
    return [each for each in found if each.default or each.name in named]


def shown(project: Project) -> ApiResource:
    """Return a project as who asks sees it."""
    changes = access.person_asking().role >= Role.ADMIN
    made = changes and project.created_at is not None
    organization = services().config.organization.name
    at = f"/api/v2/projects/{project.id}"
    return ApiResource(
        "projects",
        project.id,
        {
            "name": project.name,
            "description": project.description,
            "created-at": moment(project.created_at) or "2026-01-01T00:00:00.000Z",
            "is-unified": False,
            "default-execution-mode": "remote",
            "setting-overwrites": {"default-execution-mode": False, "default-agent-pool": False},
            "permissions": {
                "can-read": True,
                "can-update": made,
                "can-destroy": made,
                "can-create-workspace": changes,
                "can-move-workspace": changes,
                "can-deploy-no-code-modules": False,
                "can-read-teams": False,
                "can-manage-teams": False,
            },
        },
        {
            "organization": ApiLink("organizations", organization, f"/api/v2/organizations/{organization}"),
            "workspaces": Related(
                f"/api/v2/organizations/{organization}/workspaces?filter[project][id]={project.id}"
            ),
        },
        {"self": at},
    )
