"""Which workspaces' runs may read the state of a workspace."""

from __future__ import annotations

from flask import Response

from bot.domain.workspaces.sharing import allows
from bot.web.api import documents, reading, rights
from bot.web.api.registry import ApiRoutes
from bot.web.api.shapes.workspaces import workspace_resource
from bot.web.request.services import services

routes = ApiRoutes("remote-state-consumers")

_AT = "/workspaces/<workspace_id>/relationships/remote-state-consumers"
_TYPE = "workspaces"


@routes.get(_AT, summary="List the workspaces that may read the state", gives=_TYPE, many=True)
def listing(workspace_id: str) -> Response:
    """Answer with those that who asks may see. If all may read it, the list is empty, as with HashiCorp."""
    there, _ = rights.workspace(workspace_id)
    found = [] if there.shares_with_all else [seen for seen in rights.visible() if allows(there, seen[0])]
    part, page = reading.part(found)
    organization = services().config.organization.name
    return documents.many((workspace_resource(*seen, organization) for seen in part), page)


@routes.post(_AT, summary="Let workspaces read the state", status=204, takes=_TYPE, takes_many=True)
def add(workspace_id: str) -> Response:
    """Add workspaces."""
    there, person = rights.workspace(workspace_id)
    services().api_workspaces.share(there.id, person, add=_names())
    return documents.nothing()


@routes.patch(
    _AT, summary="Let only these workspaces read the state", status=204, takes=_TYPE, takes_many=True
)
def replace(workspace_id: str) -> Response:
    """Replace the workspaces."""
    there, person = rights.workspace(workspace_id)
    services().api_workspaces.share(there.id, person, instead=_names())
    return documents.nothing()


@routes.delete(_AT, summary="Let workspaces read the state no more", status=204, takes=_TYPE, takes_many=True)
def remove(workspace_id: str) -> Response:
    """Remove workspaces."""
    there, person = rights.workspace(workspace_id)
    services().api_workspaces.share(there.id, person, drop=_names())
    return documents.nothing()


def _names() -> list[str]:
    """Return the names of the workspaces that the body has by their ids. Raises NotFound."""
    return [rights.workspace(str(each.get("id") or ""))[0].name for each in reading.sent_list()]
