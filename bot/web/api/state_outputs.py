"""Outputs of states: of the current one, of any version, and one by one with its value."""

from __future__ import annotations

import json
from typing import Any

from flask import Response

from bot.domain.errors import Invalid, NotFound
from bot.domain.states.file import json_object
from bot.domain.workspaces.outputs import Unreadable, outputs_of
from bot.services.ports import StateVersion
from bot.web.api import documents, state_versions
from bot.web.api.documents import ApiResource, Fields
from bot.web.api.gate import short_hash
from bot.web.api.registry import ApiRoutes
from bot.web.request.services import services

routes = ApiRoutes("state-version-outputs")

_TYPE = "state-version-outputs"
_PREFIX = "wsout-"


@routes.get(
    "/workspaces/<workspace_id>/current-state-version-outputs",
    summary="List the outputs of the current state",
    gives=_TYPE,
    many=True,
)
def current(workspace_id: str) -> Response:
    """Answer with the outputs; sensitive ones without their values. Without a state there are none."""
    there, _ = state_versions.readable(workspace_id)
    with services().store.reading() as tx:
        version = tx.states.current(there.id)
    return documents.every(() if version is None else outputs(version))


@routes.get(
    "/state-versions/<version_id>/outputs", summary="List the outputs of a state", gives=_TYPE, many=True
)
def of_version(version_id: str) -> Response:
    """Answer with the outputs of any version; sensitive ones without their values."""
    return documents.every(outputs(state_versions.version(version_id)))


@routes.get("/state-version-outputs/<output_id>", summary="Show an output with its value", gives=_TYPE)
def show(output_id: str) -> Response:
    """Answer with one output. A sensitive one has its value: who asks may read the whole state."""
    version_part, _, _ = output_id.removeprefix(_PREFIX).rpartition("-")
    version = state_versions.version(f"sv-{version_part}")
    for name, about in _read(version, hidden=False).items():
        if output_id_of(version, name) == output_id:
            return documents.one(ApiResource(_TYPE, output_id, about))
    raise NotFound(f"there is no output {output_id}")


def outputs(version: StateVersion) -> list[ApiResource]:
    """Return the outputs of a version, sensitive ones without their values. Raises Invalid."""
    found = _read(version, hidden=True)
    return [ApiResource(_TYPE, output_id_of(version, name), about) for name, about in found.items()]


def output_id_of(version: StateVersion, name: str) -> str:
    """Return the id of an output of a version."""
    return f"{_PREFIX}{version.id.removeprefix('sv-')}-{short_hash(name)}"


def _read(version: StateVersion, *, hidden: bool) -> dict[str, Fields]:
    """Return the outputs of a state by their names, as clients see them. Raises Invalid.

    What counts as sensitive is decided where outputs are handed from one workspace to another.
    """
    _, person = state_versions.readable(version.workspace_id)
    _, state = services().state_versions.download(version.workspace_id, person, version.id)
    known = outputs_of(state)
    if isinstance(known, Unreadable):
        raise Invalid(f"the outputs of this state can't be read: {known.value}")
    found = (json_object(state) or {}).get("outputs", {})
    try:
        # Python reads 1e999 as a number that JSON can't have.
        json.dumps(found, allow_nan=False)
    except ValueError:
        raise Invalid("the outputs of this state can't be read: a number in it is too large") from None
    return {
        name: _output(name, found[name], known[name].sensitive, hidden and known[name].sensitive)
        for name in sorted(known)
    }


def _output(name: str, each: dict[str, Any], sensitive: bool, hidden: bool) -> Fields:
    kind = each.get("type", "dynamic")
    return {
        "name": name,
        "sensitive": sensitive,
        "type": _simple(kind),
        "detailed-type": kind,
        "value": None if hidden else each.get("value"),
    }


def _simple(kind: Any) -> str:
    name = kind[0] if isinstance(kind, list) and kind else kind
    return {"tuple": "array", "list": "array", "set": "array", "object": "object", "map": "object"}.get(
        str(name), "boolean" if name == "bool" else str(name)
    )
