"""States, as far as they can be read: the current version, its download and its outputs."""

from __future__ import annotations

import json
from typing import Any

from flask import Response

from bot.domain.errors import Invalid, NotFound
from bot.domain.people.permissions import Action, Person
from bot.domain.states.file import json_object
from bot.domain.workspaces.outputs import Unreadable, outputs_of
from bot.domain.workspaces.workspace import Workspace
from bot.services.ports import StateVersion
from bot.web.api import documents, rights
from bot.web.api.documents import ApiLink, ApiResource, Fields, moment
from bot.web.api.gate import short_hash
from bot.web.api.registry import ApiRoutes
from bot.web.request.services import services

routes = ApiRoutes("state-versions")


@routes.get(
    "/workspaces/<workspace_id>/current-state-version",
    summary="Show the current state",
    gives="state-versions",
)
def current(workspace_id: str) -> Response:
    """Answer with the current version. A workspace without a state has none (404)."""
    there, _ = _readable(workspace_id)
    return documents.one(state_resource(_current(there)))


@routes.get("/state-versions/<version_id>/download", summary="Download a state")
def download(version_id: str) -> Response:
    """Answer with a state as Terraform wrote it."""
    with services().store.reading() as tx:
        version = tx.state_history.get(version_id)
    there, person = _readable(version.workspace_id)
    _, data = services().state_versions.download(there.id, person, version.id)
    return Response(data, mimetype="application/json")


@routes.get(
    "/workspaces/<workspace_id>/current-state-version-outputs",
    summary="List the outputs of the current state",
    gives="state-version-outputs",
    many=True,
)
def outputs(workspace_id: str) -> Response:
    """Answer with the outputs; sensitive ones without their values. Without a state there are none."""
    there, person = _readable(workspace_id)
    with services().store.reading() as tx:
        version = tx.states.current(there.id)
    if version is None:
        return documents.every(())
    _, data = services().state_versions.download(there.id, person, version.id)
    return documents.every(
        ApiResource("state-version-outputs", output_id(version, name), about)
        for name, about in read_outputs(data).items()
    )


def state_resource(version: StateVersion) -> ApiResource:
    """Return a version of a state."""
    at = f"/api/v2/state-versions/{version.id}"
    about: Fields = {
        "created-at": moment(version.created_at),
        "serial": version.serial,
        "lineage": version.lineage,
        "md5": version.md5,
        "size": version.size,
        "status": "finalized",
        "state-version": 4,
        "resources-processed": False,
        "hosted-state-download-url": f"{services().addresses.public}{at}/download",
    }
    return ApiResource(
        "state-versions",
        version.id,
        about,
        {"run": ApiLink("runs", version.run_id), "workspace": ApiLink("workspaces", version.workspace_id)},
        {"self": at},
    )


def output_id(version: StateVersion, name: str) -> str:
    """Return the id of an output of a version."""
    return f"wsout-{short_hash(f'{version.id}/{name}')}"


def read_outputs(state: bytes) -> dict[str, Fields]:
    """Return the outputs of a state by their names, as clients see them. Raises Invalid.

    What counts as sensitive is decided where outputs are handed from one workspace to another.
    """
    known = outputs_of(state)
    if isinstance(known, Unreadable):
        raise Invalid(f"the outputs of this state can't be read: {known.value}")
    found = (json_object(state) or {}).get("outputs", {})
    try:
        # Python reads 1e999 as a number that JSON can't have.
        json.dumps(found, allow_nan=False)
    except ValueError:
        raise Invalid("the outputs of this state can't be read: a number in it is too large") from None
    return {name: _output(name, found[name], known[name].sensitive) for name in sorted(known)}


def _output(name: str, each: dict[str, Any], sensitive: bool) -> Fields:
    kind = each.get("type", "dynamic")
    return {
        "name": name,
        "sensitive": sensitive,
        "type": _simple(kind),
        "detailed-type": kind,
        "value": None if sensitive else each.get("value"),
    }


def _simple(kind: Any) -> str:
    name = kind[0] if isinstance(kind, list) and kind else kind
    return {"tuple": "array", "list": "array", "set": "array", "object": "object", "map": "object"}.get(
        str(name), "boolean" if name == "bool" else str(name)
    )


def _current(there: Workspace) -> StateVersion:
    with services().store.reading() as tx:
        version = tx.states.current(there.id)
    if version is None:
        raise NotFound(f"{there.name} has no state yet")
    return version


def _readable(workspace_id: str) -> tuple[Workspace, Person]:
    """Return a workspace of which who asks may read the state, which has secrets. Raises NotFound."""
    there, person = rights.workspace(workspace_id)
    if not person.may(Action.EDIT_STATE):
        raise NotFound(f"there is no state of {workspace_id}")
    return there, person
