"""Variables of workspaces: list, create, read, change, delete; also at their older addresses."""

from __future__ import annotations

from flask import Response, request

from bot.domain.errors import Invalid, NotFound
from bot.domain.people.permissions import Person
from bot.domain.workspaces.variables import Category, StoredVariable, visible_variables
from bot.domain.workspaces.workspace import Workspace
from bot.services.variables.api_variables import VariableWishes
from bot.services.variables.editor import WorkspaceVariables
from bot.web.api import documents, reading, rights
from bot.web.api.documents import ApiLink, ApiResource
from bot.web.api.gate import short_hash
from bot.web.api.reading import Sent
from bot.web.api.registry import ApiField, ApiParameter, ApiRoutes, FieldKind
from bot.web.request.services import services

routes = ApiRoutes("vars")

TYPE = "vars"
FIELDS = (
    ApiField("key"),
    ApiField("value"),
    ApiField("description"),
    ApiField("category", choices=("terraform", "env")),
    ApiField("hcl", FieldKind.BOOLEAN, "whether the value is an expression; else it is text"),
    ApiField("sensitive", FieldKind.BOOLEAN, "write-only; it never becomes false again"),
)
_MANY = "/workspaces/<workspace_id>/vars"
_ONE = f"{_MANY}/<variable_id>"


@routes.get(_MANY, summary="List the variables of a workspace", gives=TYPE, many=True)
def listing(workspace_id: str) -> Response:
    """Answer with the workspace's own variables."""
    return _list(rights.workspace(workspace_id)[0])


@routes.get(
    "/vars",
    summary="List the variables of a named workspace",
    gives=TYPE,
    many=True,
    query=(ApiParameter("filter[organization][name]"), ApiParameter("filter[workspace][name]")),
)
def listing_of_named(**_: str) -> Response:
    """Answer with the workspace's own variables."""
    args = request.args
    organization, name = args.get("filter[organization][name]", ""), args.get("filter[workspace][name]", "")
    return _list(rights.named(organization, name)[0])


@routes.get(
    "/workspaces/<workspace_id>/all-vars",
    summary="List the variables that runs of a workspace get, of sets too",
    gives=TYPE,
    many=True,
)
def every(workspace_id: str) -> Response:
    """Answer with the variables that win."""
    there, _ = rights.workspace(workspace_id)
    with services().store.reading() as tx:
        own, sets = tx.variables.of_workspace(there.id), tx.variables.sets()
    ids = {one.name: one.id for one in sets}
    seen = visible_variables(there.name, own, sets, project=there.project)
    return documents.every(
        variable_resource(each.kept, _owner(there) if each.set_name is None else set_link(ids[each.set_name]))
        for each in seen
        if not each.hidden_by
    )


@routes.post(_MANY, summary="Create a variable", status=201, gives=TYPE, takes=TYPE, fields=FIELDS)
def create(workspace_id: str) -> Response:
    """Create a variable of a workspace."""
    return _created(*rights.workspace(workspace_id), reading.sent())


@routes.post(
    "/vars",
    summary="Create a variable of a related workspace",
    status=201,
    gives=TYPE,
    takes=TYPE,
    fields=FIELDS,
    relationships=("workspace",),
)
def create_related() -> Response:
    """Create a variable of a workspace."""
    sent = reading.sent()
    if not sent.related("workspace"):
        raise Invalid("a variable needs the relationship workspace")
    return _created(*rights.workspace(sent.related("workspace")), sent)


@routes.get(_ONE, summary="Show a variable", gives=TYPE)
def show(workspace_id: str, variable_id: str) -> Response:
    """Answer with a variable."""
    there, _ = rights.workspace(workspace_id)
    with services().store.reading() as tx:
        own = tx.variables.of_workspace(there.id)
    for kept in own:
        if kept.id == variable_id:
            return documents.one(variable_resource(kept, _owner(there)))
    raise NotFound(f"there is no variable {variable_id}")


@routes.patch(_ONE, summary="Change a variable", gives=TYPE, takes=TYPE, fields=FIELDS)
def change(workspace_id: str, variable_id: str) -> Response:
    """Change what is given of a variable."""
    return _changed(*rights.workspace(workspace_id), variable_id)


@routes.patch(
    "/vars/<variable_id>", summary="Change a variable by its id", gives=TYPE, takes=TYPE, fields=FIELDS
)
def change_by_id(variable_id: str) -> Response:
    """Change what is given of a variable."""
    return _changed(*_place_of(variable_id), variable_id)


@routes.delete(_ONE, summary="Delete a variable", status=204)
def delete(workspace_id: str, variable_id: str) -> Response:
    """Delete a variable."""
    return _deleted(*rights.workspace(workspace_id), variable_id)


@routes.delete("/vars/<variable_id>", summary="Delete a variable by its id", status=204)
def delete_by_id(variable_id: str) -> Response:
    """Delete a variable."""
    return _deleted(*_place_of(variable_id), variable_id)


def variable_resource(kept: StoredVariable, owner: ApiLink) -> ApiResource:
    """Return a variable. The value of a sensitive one is never given."""
    one = kept.variable
    about = {
        "key": one.key,
        "value": None if one.sensitive else one.value,
        "category": one.category.value,
        "hcl": one.hcl,
        "sensitive": one.sensitive,
        "description": one.description,
        "phase": one.phase.value,
        "created-at": documents.moment(kept.at),
        "version-id": short_hash(f"{kept.id}/{kept.at.isoformat()}", 40),
    }
    name = "workspace" if owner.type == "workspaces" else "varset"
    # Older clients look for `configurable`.
    related = {"configurable": owner, name: owner}
    return ApiResource(TYPE, kept.id, about, related, {"self": f"{owner.related}/{kept.id}"})


def set_link(set_id: str) -> ApiLink:
    """Return the link of a variable to its set."""
    return ApiLink("varsets", set_id, f"/api/v2/varsets/{set_id}/relationships/vars")


def wishes_of(sent: Sent) -> VariableWishes:
    """Return what a body says of a variable."""
    given = sent.attributes
    return VariableWishes(
        key=given.get("key"),
        value=given.get("value"),
        category=Category(given["category"]) if sent.has("category") else None,
        hcl=given.get("hcl"),
        sensitive=given.get("sensitive"),
        description=given.get("description"),
    )


def _owner(there: Workspace) -> ApiLink:
    return ApiLink("workspaces", there.id, f"/api/v2/workspaces/{there.id}/vars")


def _list(there: Workspace) -> Response:
    with services().store.reading() as tx:
        own = tx.variables.of_workspace(there.id)
    return documents.every(variable_resource(kept, _owner(there)) for kept in own)


def _created(there: Workspace, person: Person, sent: Sent) -> Response:
    made = services().api_variables.create(WorkspaceVariables(there.name), person, wishes_of(sent))
    return documents.one(variable_resource(made, _owner(there)), 201)


def _changed(there: Workspace, person: Person, variable_id: str) -> Response:
    owner, wishes = WorkspaceVariables(there.name), wishes_of(reading.sent())
    made = services().api_variables.change(owner, variable_id, person, wishes)
    return documents.one(variable_resource(made, _owner(there)))


def _deleted(there: Workspace, person: Person, variable_id: str) -> Response:
    services().api_variables.remove(WorkspaceVariables(there.name), variable_id, person)
    return documents.nothing()


def _place_of(variable_id: str) -> tuple[Workspace, Person]:
    """Return the workspace of a variable. Those of sets are changed at the set's addresses."""
    with services().store.reading() as tx:
        workspace_id, _ = tx.variable_ids.owner_of(variable_id)
    return rights.workspace(workspace_id)
