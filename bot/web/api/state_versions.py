"""Versions of states: list, read, download, push under one's own lock, roll back."""

from __future__ import annotations

import base64
import binascii

from flask import Response, request
from werkzeug.exceptions import RequestEntityTooLarge

from bot.domain.errors import Invalid, NotFound
from bot.domain.people.permissions import Action, Person
from bot.domain.workspaces.workspace import Workspace
from bot.services.ports import StateUpload, StateVersion
from bot.services.states.backend import STATE_LIMIT
from bot.services.states.pushes import StateClaim
from bot.web.api import documents, reading, rights, signed
from bot.web.api.documents import ApiLink, ApiResource, Fields, PageOf, Related, moment
from bot.web.api.gate import short_hash
from bot.web.api.registry import ApiField, ApiParameter, ApiRoutes, FieldKind, Proof
from bot.web.request import api_failures
from bot.web.request.bodies import read_body
from bot.web.request.services import services

routes = ApiRoutes("state-versions")

INLINE_LIMIT = 32 * 1024 * 1024
"""How many bytes a body with a state in it may have. Larger states are sent to their upload address."""

SNAPSHOT_SECONDS = 20
"""How often a Terraform that applies at the client stores the state."""

_TYPE = "state-versions"
_FIELDS = (
    ApiField("serial", FieldKind.INTEGER),
    ApiField("md5", about="of the state as it is, in hexadecimal letters"),
    ApiField("lineage"),
    ApiField("force", FieldKind.BOOLEAN, "takes another lineage, or a lower serial, which is raised"),
    ApiField("state", about="base64; left out: it is sent to `hosted-state-upload-url`"),
    ApiField("json-state", about="not used: what is shown is read from the state itself"),
    ApiField("json-state-outputs", about="not used"),
)


@routes.get(
    "/workspaces/<workspace_id>/current-state-version",
    summary="Show the current state",
    gives=_TYPE,
)
def current(workspace_id: str) -> Response:
    """Answer with the current version. A workspace without a state has none (404)."""
    there, _ = readable(workspace_id)
    with services().store.reading() as tx:
        found = tx.states.current(there.id)
    if found is None:
        raise NotFound(f"{there.name} has no state yet")
    return _answer(state_resource(found))


@routes.get(
    "/state-versions",
    summary="List the states of a workspace, newest first",
    gives=_TYPE,
    many=True,
    query=(ApiParameter("filter[organization][name]"), ApiParameter("filter[workspace][name]")),
)
def listing() -> Response:
    """Answer with the versions that were current at some time."""
    args = request.args
    named, _ = rights.named(
        args.get("filter[organization][name]", ""), args.get("filter[workspace][name]", "")
    )
    there, _ = readable(named.id)
    number, size = reading.page()
    with services().store.reading() as tx:
        found = tx.state_history.accepted(there.id, size, (number - 1) * size)
        total = tx.state_history.count_accepted(there.id)
    return documents.many(map(state_resource, found), PageOf(number, size, total))


@routes.get(
    "/state-versions/<version_id>", summary="Show a state, or one that is not uploaded yet", gives=_TYPE
)
def show(version_id: str) -> Response:
    """Answer with a version."""
    try:
        return documents.one(state_resource(version(version_id)))
    except NotFound:
        with services().store.reading() as tx:
            upload = tx.state_uploads.get(version_id)
        readable(upload.workspace_id)
        return documents.one(upload_resource(upload))


@routes.get("/state-versions/<version_id>/download", summary="Download a state")
def download(version_id: str) -> Response:
    """Answer with a state as Terraform wrote it."""
    found = version(version_id)
    there, person = readable(found.workspace_id)
    _, data = services().state_versions.download(there.id, person, found.id)
    return Response(data, mimetype="application/json")


@routes.post(
    "/workspaces/<workspace_id>/state-versions",
    summary="Push a state, or announce one",
    status=201,
    gives=_TYPE,
    takes=_TYPE,
    fields=_FIELDS,
    relationships=("run",),
    limit=INLINE_LIMIT,
)
def create(workspace_id: str) -> Response:
    """Store a state that is in the body, or say where one is to be sent."""
    there, person = readable(workspace_id)
    sent = reading.sent()
    for name in ("serial", "md5"):
        if not sent.has(name):
            raise Invalid(f"a state needs its {name}")
    claim = StateClaim(
        int(sent.attributes["serial"]),
        sent.text("md5").lower(),
        sent.text("lineage"),
        sent.truth("force"),
    )
    pushes = services().state_pushes
    if sent.has("state"):
        return _answer(state_resource(pushes.push(there.id, person, claim, _bytes(sent.text("state")))), 201)
    announced = pushes.announce(there.id, person, claim)
    if isinstance(announced, StateUpload):
        return _answer(upload_resource(announced), 201)
    # The client sends it once more, which changes nothing.
    return _answer(state_resource(announced, _addresses(announced.id)), 201)


@routes.put(
    "/signed/<proof>/states/<version_id>", summary="Send a state", proof=Proof.SIGNED, takes_bytes=True
)
def upload_state(proof: str, version_id: str) -> Response:
    """Take an announced state, as Terraform wrote it."""
    signed.check(proof, f"states/{version_id}")
    if (data := _sent_state()) is None:
        return _too_large()
    services().state_pushes.receive(version_id, data)
    return Response(status=200)


@routes.put(
    "/signed/<proof>/states/<version_id>/json",
    summary="Send a state as JSON for programs: it is not used",
    proof=Proof.SIGNED,
    takes_bytes=True,
)
def upload_json(proof: str, version_id: str) -> Response:
    """Take what clients send beside the state. What people see is read from the state itself."""
    signed.check(proof, f"states/{version_id}")
    return _too_large() if _sent_state() is None else Response(status=200)


@routes.patch(
    "/workspaces/<workspace_id>/state-versions",
    summary="Roll back to a state",
    status=201,
    gives=_TYPE,
    takes=_TYPE,
    relationships=("rollback-state-version",),
)
def roll_back(workspace_id: str) -> Response:
    """Store an older version as a new one, with a higher serial."""
    there, person = readable(workspace_id)
    chosen = reading.sent().related("rollback-state-version")
    if not chosen:
        raise Invalid("a rollback needs the relationship rollback-state-version")
    made = services().state_versions.roll_back(there.id, chosen, person, own_lock=True)
    return _answer(state_resource(made), 201)


def version(version_id: str) -> StateVersion:
    """Return a version of a state that who asks may read. Raises NotFound."""
    with services().store.reading() as tx:
        found = tx.state_history.get(version_id)
    readable(found.workspace_id)
    return found


def readable(workspace_id: str) -> tuple[Workspace, Person]:
    """Return a workspace of which who asks may read the state, which has secrets. Raises NotFound."""
    there, person = rights.workspace(workspace_id)
    if not person.may(Action.EDIT_STATE):
        raise NotFound(f"there is no state of {workspace_id}")
    return there, person


def state_resource(version: StateVersion, addresses: Fields | None = None) -> ApiResource:
    """Return a version of a state."""
    at = f"/api/v2/state-versions/{version.id}"
    about: Fields = {
        "created-at": moment(version.created_at),
        "serial": version.serial,
        "lineage": version.lineage,
        "md5": version.md5,
        "size": version.size,
        "status": "discarded" if version.refused else "finalized",
        "state-version": 4,
        "resources-processed": False,
        "hosted-state-download-url": f"{services().addresses.public}{at}/download",
    }
    return ApiResource(
        _TYPE,
        version.id,
        about | (addresses or {}),
        {
            "run": ApiLink("runs", version.run_id),
            "created-by": ApiLink("users", f"user-{short_hash(version.made_by)}" if version.made_by else ""),
            "workspace": ApiLink("workspaces", version.workspace_id),
            "outputs": Related(f"{at}/outputs"),
        },
        {"self": at},
    )


def upload_resource(upload: StateUpload) -> ApiResource:
    """Return a version that waits for its state."""
    about: Fields = {
        "created-at": moment(upload.created_at),
        "serial": upload.serial,
        "lineage": upload.lineage,
        "md5": upload.md5,
        "size": 0,
        "status": "pending",
        "resources-processed": False,
    }
    relationships = {"workspace": ApiLink("workspaces", upload.workspace_id)}
    return ApiResource(_TYPE, upload.id, about | _addresses(upload.id), relationships)


def _addresses(version_id: str) -> Fields:
    at = signed.address(f"states/{version_id}")
    return {"hosted-state-upload-url": at, "hosted-json-state-upload-url": f"{at}/json"}


def _answer(resource: ApiResource, status: int = 200) -> Response:
    said = documents.one(resource, status)
    # Clients that apply by themselves store the state meanwhile only if they are told to.
    said.headers["x-terraform-snapshot-interval"] = str(SNAPSHOT_SECONDS)
    return said


def _bytes(text: str) -> bytes:
    try:
        return base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError):
        raise Invalid("state must be base64") from None


def _sent_state() -> bytes | None:
    """Return the body, None if it is too large."""
    try:
        return read_body(STATE_LIMIT)
    except RequestEntityTooLarge:
        return None


def _too_large() -> Response:
    return api_failures.document(413, f"the state is too large: {STATE_LIMIT >> 20} MB are allowed")
