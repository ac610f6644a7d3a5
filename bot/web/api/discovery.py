"""How clients find the API and what it can: service discovery, ping, the OpenAPI document."""

from __future__ import annotations

from flask import Response, current_app, url_for

from bot.domain.people.program_login import CLIENT, PORTS
from bot.web.api import documents, openapi
from bot.web.api.registry import ApiRoutes, Proof
from bot.web.request.api_failures import MEDIA_TYPE

API_VERSION = "2.6"
"""Of HashiCorp's API: below 2.5 the CLI refuses, and 2.6 is what import blocks in a run ask for."""

_SERVICES = ("tfe.v2", "tfe.v2.1", "tfe.v2.2", "state.v2")

_PAGES = {"variables": "variables.of_workspace", "states": "state_versions.listing"}

routes = ApiRoutes("discovery")


@routes.get("/ping", summary="Say which version of the API this is", status=204, proof=Proof.NOTHING)
def ping() -> Response:
    """Answer with the headers that clients read before anything else."""
    said = documents.nothing()
    said.headers["TFP-API-Version"] = API_VERSION
    # The CLI reads headers of services only from answers of this type.
    said.content_type = MEDIA_TYPE
    return said


@routes.get("/openapi.json", summary="Describe this API", proof=Proof.NOTHING)
def description() -> Response:
    """Answer with the OpenAPI document, made of the same declarations as the routes."""
    return documents.plain(openapi.document(current_app.extensions["plangate_api"].values()))


def run_page(run_id: str, **_: str) -> Response:
    """Send people to a run's page from the address that the CLI prints."""
    said = documents.nothing(302)
    said.headers["Location"] = url_for("runs.show", run_id=run_id)
    return said


def workspace_page(workspace_name: str, part: str = "", **_: str) -> Response:
    """Send people to a workspace's page, variables or states from the addresses that the CLI prints."""
    said = documents.nothing(302)
    said.headers["Location"] = url_for(_PAGES.get(part, "workspaces.show"), name=workspace_name)
    return said


def token_page() -> Response:
    """Send people to their tokens from the address that the CLI opens where it can't log in by itself."""
    said = documents.nothing(302)
    said.headers["Location"] = url_for("tokens.show")
    return said


def well_known() -> Response:
    """Answer `/.well-known/terraform.json`: relative addresses are taken from the host that was asked."""
    login = {
        "client": CLIENT,
        "grant_types": ["authz_code"],
        "authz": "/oauth/authorize",
        "token": "/oauth/token",
        "ports": list(PORTS),
    }
    said = documents.plain({**dict.fromkeys(_SERVICES, "/api/v2/"), "login.v1": login})
    said.cache_control.public = True
    said.cache_control.max_age = 300
    return said
