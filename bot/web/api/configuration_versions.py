"""Configuration versions: uploads of workspaces, and the address that takes the archive."""

from __future__ import annotations

from flask import Response
from werkzeug.exceptions import RequestEntityTooLarge

from bot.domain.errors import NotFound
from bot.domain.people.permissions import Action
from bot.domain.runs.configuration_version import ConfigurationVersion, UploadStatus
from bot.domain.runs.run import Run
from bot.web.api import documents, reading, rights, signed
from bot.web.api.documents import ApiResource, Fields, PageOf, moment
from bot.web.api.registry import ApiField, ApiRoutes, FieldKind, Proof
from bot.web.request import api_failures
from bot.web.request.bodies import read_body
from bot.web.request.services import services

routes = ApiRoutes("configuration-versions")

_TYPE = "configuration-versions"
_FIELDS = (
    ApiField(
        "auto-queue-runs", FieldKind.BOOLEAN, "whether the upload creates a run; true if it is left out"
    ),
    ApiField("speculative", FieldKind.BOOLEAN, "only for plans"),
    ApiField("provisional", FieldKind.BOOLEAN),
    ApiField("source"),
)


@routes.post(
    "/workspaces/<workspace_id>/configuration-versions",
    summary="Ask for an upload",
    status=201,
    gives=_TYPE,
    takes=_TYPE,
    fields=_FIELDS,
)
def create(workspace_id: str) -> Response:
    """Create a configuration version, and say where its archive is sent."""
    there, person = rights.workspace(workspace_id)
    sent = reading.sent()
    made = services().uploads.ask(
        there,
        person,
        source=sent.text("source"),
        speculative=sent.truth("speculative"),
        provisional=sent.truth("provisional"),
        queues_run=sent.truth("auto-queue-runs", True),
    )
    return documents.one(_shown(made, signed.address(f"uploads/{made.id}")), 201)


@routes.get(
    "/workspaces/<workspace_id>/configuration-versions", summary="List uploads", gives=_TYPE, many=True
)
def listing(workspace_id: str) -> Response:
    """Answer with the uploads of a workspace, newest first."""
    there, _ = rights.workspace(workspace_id)
    number, size = reading.page()
    with services().store.reading() as tx:
        found = tx.configurations.of_workspace(there.id, size, (number - 1) * size)
        total = tx.configurations.count(there.id)
    return documents.many(map(_shown, found), PageOf(number, size, total))


@routes.get("/configuration-versions/<version_id>", summary="Show an upload, or a run's commit", gives=_TYPE)
def show(version_id: str) -> Response:
    """Answer with an upload, or with the commit of a run."""
    try:
        with services().store.reading() as tx:
            found = tx.configurations.get(version_id)
    except NotFound:
        run, _, _ = rights.run("run-" + version_id.removeprefix("cv-"))
        return documents.one(_commit(run, version_id))
    rights.workspace(found.workspace_id)
    return documents.one(_shown(found))


@routes.get("/configuration-versions/<version_id>/download", summary="Download an upload")
def download(version_id: str) -> Response:
    """Answer with the archive, for those who may read the state: both may have secrets."""
    with services().store.reading() as tx:
        found = tx.configurations.get(version_id)
    _, person = rights.workspace(found.workspace_id)
    if not person.may(Action.EDIT_STATE):
        raise NotFound(f"there is no configuration version {version_id}")
    with services().store.reading() as tx:
        data = tx.configurations.bytes_of(version_id)
    return Response(data, mimetype="application/gzip")


@routes.put(
    "/signed/<proof>/uploads/<version_id>", summary="Send the archive", proof=Proof.SIGNED, takes_bytes=True
)
def upload(proof: str, version_id: str) -> Response:
    """Take the archive of an upload, once."""
    signed.check(proof, f"uploads/{version_id}")
    limit = services().config.organization.upload_limit
    try:
        data = read_body(limit)
    except RequestEntityTooLarge:
        return api_failures.document(
            413,
            f"the uploaded configuration is too large: {limit >> 20} MB are allowed (PLANGATE_UPLOAD_LIMIT). "
            "A .terraformignore file leaves files out",
        )
    services().uploads.receive(version_id, data)
    return Response(status=200)


def _shown(version: ConfigurationVersion, upload_url: str = "") -> ApiResource:
    about: Fields = {
        "status": version.status.value,
        "source": version.source,
        "auto-queue-runs": version.queues_run,
        "speculative": version.speculative,
        "provisional": version.provisional,
        "error": version.error or None,
        "error-message": version.error or None,
        "changed-files": [],
        "status-timestamps": {
            name: at for name, at in (("uploaded-at", moment(version.uploaded_at)),) if at is not None
        },
    }
    if upload_url:
        about["upload-url"] = upload_url
    at = f"/api/v2/configuration-versions/{version.id}"
    return ApiResource(_TYPE, version.id, about, links={"self": at, "download": f"{at}/download"})


def _commit(run: Run, version_id: str) -> ApiResource:
    about: Fields = {
        "status": UploadStatus.UPLOADED.value,
        "source": "vcs",
        "auto-queue-runs": True,
        "speculative": run.plan_only,
        "provisional": False,
        "error": None,
        "error-message": None,
        "changed-files": [],
        "status-timestamps": {},
    }
    return ApiResource(_TYPE, version_id, about)
