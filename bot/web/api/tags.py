"""Tags of workspaces: names, and keys with values."""

from __future__ import annotations

from collections.abc import Iterable

from flask import Response

from bot.domain.workspaces.workspace import Workspace
from bot.services.workspaces.api_workspaces import WorkspaceWishes
from bot.web.api import documents, reading, rights
from bot.web.api.documents import ApiResource
from bot.web.api.gate import short_hash
from bot.web.api.registry import ApiRoutes
from bot.web.api.workspaces import bindings, tag_of
from bot.web.request.services import services

routes = ApiRoutes("tags")

_NAMES = "/workspaces/<workspace_id>/relationships/tags"
_BINDINGS = "/workspaces/<workspace_id>/tag-bindings"


@routes.get(_NAMES, summary="List the tags that are names", gives="tags", many=True)
def names(workspace_id: str) -> Response:
    """Answer with the names."""
    there, _ = rights.workspace(workspace_id)
    found, page = reading.part([ApiResource("tags", each, {"name": each}) for each in there.tags])
    return documents.many(found, page)


@routes.post(_NAMES, summary="Add tags that are names", status=204, takes="tags", takes_many=True)
def add_names(workspace_id: str) -> Response:
    """Add names."""
    there, _ = rights.workspace(workspace_id)
    return _with_names(there, [*there.tags, *map(tag_of, reading.sent_list())])


@routes.delete(_NAMES, summary="Remove tags that are names", status=204, takes="tags", takes_many=True)
def remove_names(workspace_id: str) -> Response:
    """Remove names."""
    there, _ = rights.workspace(workspace_id)
    gone = set(map(tag_of, reading.sent_list()))
    return _with_names(there, [each for each in there.tags if each not in gone])


@routes.get(
    _BINDINGS,
    "/workspaces/<workspace_id>/effective-tag-bindings",
    summary="List the tags with values",
    gives="tag-bindings",
    many=True,
)
def values(workspace_id: str) -> Response:
    """Answer with the keys and values."""
    there, _ = rights.workspace(workspace_id)
    return _values(there)


@routes.patch(
    _BINDINGS,
    summary="Add and change tags with values",
    gives="tag-bindings",
    many=True,
    takes="tag-bindings",
    takes_many=True,
)
def change_values(workspace_id: str) -> Response:
    """Add and change keys and values; others stay."""
    there, person = rights.workspace(workspace_id)
    wanted = dict(there.details.bindings) | dict(bindings(reading.sent_list()))
    wishes = WorkspaceWishes(bindings=list(wanted.items()))
    return _values(services().api_workspaces.change(there.id, person, wishes))


def _with_names(there: Workspace, wanted: Iterable[str]) -> Response:
    person = rights.person_in(there)
    services().api_workspaces.change(there.id, person, WorkspaceWishes(tags=list(wanted)))
    return documents.nothing()


def _values(there: Workspace) -> Response:
    return documents.every(
        ApiResource("tag-bindings", f"tb-{short_hash(f'{there.id}/{key}')}", {"key": key, "value": value})
        for key, value in there.details.bindings
    )
