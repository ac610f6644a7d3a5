"""Sets of variables: list, create, read, change, delete; their variables, and what they reach."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from flask import Response, request

from bot.domain.errors import Forbidden, Invalid, NotFound
from bot.domain.people.permissions import Person, Role
from bot.domain.workspaces.project import Project
from bot.domain.workspaces.variables import VariableSet
from bot.domain.workspaces.workspace import Workspace
from bot.services.variables.api_sets import SetWishes, set_by_id
from bot.services.variables.editor import SetVariables
from bot.web.api import documents, organizations, projects, reading, rights
from bot.web.api.documents import ApiLink, ApiLinks, ApiResource
from bot.web.api.reading import Sent
from bot.web.api.registry import ApiField, ApiParameter, ApiRoutes, FieldKind
from bot.web.api.variables import FIELDS, TYPE, set_link, variable_resource, wishes_of
from bot.web.request import access
from bot.web.request.services import services

routes = ApiRoutes("varsets")

_TYPE = "varsets"
_ID = "/varsets/<set_id>"
_VARS = f"{_ID}/relationships/vars"
_VAR = f"{_VARS}/<variable_id>"
_WORKSPACES = f"{_ID}/relationships/workspaces"
_PROJECTS = f"{_ID}/relationships/projects"
_FIELDS = (
    ApiField("name"),
    ApiField("description"),
    ApiField("global", FieldKind.BOOLEAN, "whether it reaches every workspace"),
    ApiField("priority", FieldKind.BOOLEAN, "whether it wins over workspaces and runs"),
)
_INCLUDES = ("vars", "workspaces", "projects")
_ABOUT: dict[str, Any] = {"gives": _TYPE, "includes": _INCLUDES}


@routes.get(
    "/organizations/<organization_name>/varsets",
    summary="List sets of variables",
    many=True,
    query=(ApiParameter("q", "a part of the name"),),
    **_ABOUT,
)
def listing(organization_name: str) -> Response:
    """Answer with the sets that reach a workspace that who asks may see; owners see all."""
    organizations.check_name(organization_name)
    asked = request.args.get("q", "").casefold()
    return _many([one for one in _visible() if asked in one.name.casefold()])


@routes.get("/workspaces/<workspace_id>/varsets", summary="List the sets of a workspace", many=True, **_ABOUT)
def of_workspace(workspace_id: str) -> Response:
    """Answer with the sets that reach a workspace."""
    there, _ = rights.workspace(workspace_id)
    with services().store.reading() as tx:
        sets = tx.variables.sets()
    return _many([one for one in sets if one.reaches(there.name, there.project)])


@routes.post(
    "/organizations/<organization_name>/varsets",
    summary="Create a set",
    status=201,
    takes=_TYPE,
    fields=_FIELDS,
    relationships=("vars", "workspaces", "projects"),
    **_ABOUT,
)
def create(organization_name: str) -> Response:
    """Create a set, with variables if some are given."""
    organizations.check_name(organization_name)
    sent, person = reading.sent(), _person()
    if not sent.text("name"):
        raise Invalid("Name can't be blank")
    inline = [reading.as_sent(each, FIELDS) for each in sent.all_related("vars")]
    variables = [wishes_of(each) for each in inline]
    return _answer(services().api_sets.create(sent.text("name"), person, _wishes(sent), variables), 201)


@routes.get(_ID, summary="Show a set", **_ABOUT)
def show(set_id: str) -> Response:
    """Answer with a set."""
    return _answer(_set(set_id))


@routes.patch(_ID, summary="Change a set", takes=_TYPE, fields=_FIELDS, **_ABOUT)
def change(set_id: str) -> Response:
    """Change what is given of a set."""
    one = _set(set_id)
    return _answer(services().api_sets.change(one.id, _person(), _wishes(reading.sent())))


@routes.delete(_ID, summary="Delete a set and its variables", status=204)
def delete(set_id: str) -> Response:
    """Delete a set."""
    services().api_sets.remove(_set(set_id).id, _person())
    return documents.nothing()


@routes.get(_VARS, summary="List the variables of a set", gives=TYPE, many=True)
def variables(set_id: str) -> Response:
    """Answer with a set's variables."""
    one = _set(set_id)
    return documents.every(variable_resource(kept, set_link(one.id)) for kept in one.variables)


@routes.post(_VARS, summary="Create a variable of a set", status=201, gives=TYPE, takes=TYPE, fields=FIELDS)
def create_variable(set_id: str) -> Response:
    """Create a variable of a set."""
    one = _set(set_id)
    made = services().api_variables.create(SetVariables(one.name), _person(), wishes_of(reading.sent()))
    return documents.one(variable_resource(made, set_link(one.id)), 201)


@routes.get(_VAR, summary="Show a variable of a set", gives=TYPE)
def show_variable(set_id: str, variable_id: str) -> Response:
    """Answer with a variable of a set."""
    one = _set(set_id)
    for kept in one.variables:
        if kept.id == variable_id:
            return documents.one(variable_resource(kept, set_link(one.id)))
    raise NotFound(f"there is no variable {variable_id}")


@routes.patch(_VAR, summary="Change a variable of a set", gives=TYPE, takes=TYPE, fields=FIELDS)
def change_variable(set_id: str, variable_id: str) -> Response:
    """Change what is given of a variable of a set."""
    owner, wishes = SetVariables(_set(set_id).name), wishes_of(reading.sent())
    made = services().api_variables.change(owner, variable_id, _person(), wishes)
    return documents.one(variable_resource(made, set_link(set_id)))


@routes.delete(_VAR, summary="Delete a variable of a set", status=204)
def delete_variable(set_id: str, variable_id: str) -> Response:
    """Delete a variable of a set."""
    services().api_variables.remove(SetVariables(_set(set_id).name), variable_id, _person())
    return documents.nothing()


@routes.post(
    _WORKSPACES, summary="Let a set reach workspaces", status=204, takes="workspaces", takes_many=True
)
def add_workspaces(set_id: str) -> Response:
    """Let a set reach more workspaces."""
    one = _set(set_id)
    services().api_sets.extend(one.id, _person(), workspaces=_names(reading.sent_list()))
    return documents.nothing()


@routes.delete(
    _WORKSPACES, summary="Let a set reach workspaces no more", status=204, takes="workspaces", takes_many=True
)
def remove_workspaces(set_id: str) -> Response:
    """Let a set reach fewer workspaces."""
    one = _set(set_id)
    services().api_sets.reduce(one.id, _person(), workspaces=_names(reading.sent_list()))
    return documents.nothing()


@routes.post(_PROJECTS, summary="Let a set reach projects", status=204, takes="projects", takes_many=True)
def add_projects(set_id: str) -> Response:
    """Let a set reach all workspaces of projects."""
    one = _set(set_id)
    services().api_sets.extend(one.id, _person(), projects=_project_names(reading.sent_list()))
    return documents.nothing()


@routes.delete(
    _PROJECTS, summary="Let a set reach projects no more", status=204, takes="projects", takes_many=True
)
def remove_projects(set_id: str) -> Response:
    """Let a set reach fewer projects."""
    one = _set(set_id)
    services().api_sets.reduce(one.id, _person(), projects=_project_names(reading.sent_list()))
    return documents.nothing()


def _person() -> Person:
    """Return who asks with their role for sets. Raises Forbidden.

    A set reaches workspaces of many: a token for some of them changes none. For owners, the scope `admin`
    lends the role of an owner here, and nowhere else.
    """
    asker, person = access.asker(), access.person_asking()
    if asker.token is not None and asker.token.workspaces:
        raise Forbidden("this token is limited to some workspaces")
    owns = services().roles.owns(asker.account) and asker.most >= Role.ADMIN
    return replace(person, role=Role.OWNER) if owns else person


def _visible() -> list[VariableSet]:
    with services().store.reading() as tx:
        sets = tx.variables.sets()
    asker = access.asker()
    if services().roles.owns(asker.account) and not (asker.token and asker.token.workspaces):
        return list(sets)
    seen = [there for there, _ in rights.visible()]
    return [one for one in sets if any(one.reaches(there.name, there.project) for there in seen)]


def _set(set_id: str) -> VariableSet:
    with services().store.reading() as tx:
        found = set_by_id(tx, set_id)
    if found.id not in {one.id for one in _visible()}:
        raise NotFound(f"there is no variable set {set_id}")
    return found


def _wishes(sent: Sent) -> SetWishes:
    given = sent.attributes
    names = _names(sent.all_related("workspaces")) if "workspaces" in sent.relationships else None
    return SetWishes(
        name=given.get("name"),
        description=given.get("description"),
        everywhere=given.get("global"),
        priority=given.get("priority"),
        workspaces=names,
        projects=_project_names(sent.all_related("projects")) if "projects" in sent.relationships else None,
    )


def _names(found: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the names of workspaces by their ids. Raises NotFound."""
    return [rights.workspace(str(each.get("id") or ""))[0].name for each in found]


def _project_names(found: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the names of projects by their ids. Raises NotFound, Invalid."""
    names = [projects.seen(str(each.get("id") or "")).named_in for each in found]
    if not all(names):
        raise Invalid("a set can't be for the default project: let it reach workspaces, or make it global")
    return names


def _projects(one: VariableSet) -> list[Project]:
    return [each for each in projects.visible() if each.named_in in one.projects]


def _many(found: Sequence[VariableSet]) -> Response:
    part, page = reading.part(found)
    reached = rights.visible()
    return documents.many([_resource(one, reached) for one in part], page, _included(part, reached))


def _answer(one: VariableSet, status: int = 200) -> Response:
    reached = rights.visible()
    return documents.one(_resource(one, reached), status, _included([one], reached))


def _resource(one: VariableSet, reached: Sequence[tuple[Workspace, Person]]) -> ApiResource:
    """Return a set. Of the workspaces that it names, those that who asks may see."""
    names = [there.id for there, _ in reached if one.names(there.name)]
    about = {
        "name": one.name,
        "description": one.description,
        "global": one.everywhere,
        "priority": one.priority,
        "var-count": len(one.variables),
        "workspace-count": len(names),
        "project-count": len(one.projects),
        "updated-at": documents.moment(max((kept.at for kept in one.variables), default=None)),
    }
    organization = services().config.organization.name
    return ApiResource(
        _TYPE,
        one.id,
        about,
        {
            "organization": ApiLink("organizations", organization),
            "vars": ApiLinks(TYPE, [kept.id for kept in one.variables]),
            "workspaces": ApiLinks("workspaces", names),
            "projects": ApiLinks("projects", [each.id for each in _projects(one)]),
        },
        {"self": f"/api/v2/varsets/{one.id}"},
    )


def _included(found: Sequence[VariableSet], reached: Sequence[tuple[Workspace, Person]]) -> list[ApiResource]:
    def workspaces(one: VariableSet) -> list[ApiResource]:
        return [
            ApiResource("workspaces", there.id, {"name": there.name})
            for there, _ in reached
            if one.names(there.name)
        ]

    known: Mapping[str, reading.Include[VariableSet]] = {
        "vars": lambda one: [variable_resource(kept, set_link(one.id)) for kept in one.variables],
        "workspaces": workspaces,
        "projects": lambda one: [projects.shown(each) for each in _projects(one)],
    }
    return reading.included(found, known)
