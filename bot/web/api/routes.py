"""The blueprint of the API: registers what each resource declares.

A resource is a module here with `routes = ApiRoutes(...)`: add it to `RESOURCES`. What no resource declares
is answered with 404.
"""

from __future__ import annotations

from flask import Blueprint, Response
from flask.blueprints import BlueprintSetupState

from bot.web.api import (
    account,
    authentication_tokens,
    comments,
    configuration_versions,
    discovery,
    gate,
    organization_runs,
    organizations,
    plans,
    policy_checks,
    projects,
    remote_state_consumers,
    runs,
    state_outputs,
    state_versions,
    tags,
    task_results,
    teams,
    variables,
    varsets,
    workspaces,
)
from bot.web.api.gate import RateLimiter
from bot.web.api.registry import ApiEndpoint
from bot.web.request.api_failures import ROOT

RESOURCES = (
    discovery,
    account,
    authentication_tokens,
    organizations,
    teams,
    workspaces,
    projects,
    tags,
    configuration_versions,
    runs,
    organization_runs,
    comments,
    plans,
    policy_checks,
    state_versions,
    state_outputs,
    variables,
    varsets,
    remote_state_consumers,
    task_results,
)

blueprint = Blueprint("api", __name__)
well_known = Blueprint("well_known", __name__)
well_known.get("/.well-known/terraform.json", endpoint="terraform")(discovery.well_known)
well_known.get("/app/<organization_name>/<workspace_name>/runs/<run_id>", endpoint="run_page")(
    discovery.run_page
)
_workspace = "/app/<organization_name>/<workspace_name>"
well_known.get(_workspace, endpoint="workspace_page")(discovery.workspace_page)
well_known.get(f"{_workspace}/<part>", endpoint="workspace_page")(discovery.workspace_page)
well_known.get("/app/settings/tokens", endpoint="token_page")(discovery.token_page)


def endpoints() -> dict[str, ApiEndpoint]:
    """Return all endpoints by the names of their views."""
    found: dict[str, ApiEndpoint] = {}
    for resource in RESOURCES:
        for each in resource.routes.endpoints:
            assert f"api.{each.name}" not in found, f"{each.name} is declared twice"
            found[f"api.{each.name}"] = each
    return found


def _register(state: BlueprintSetupState) -> None:
    app = state.app
    known, limiter = endpoints(), RateLimiter()
    app.extensions["plangate_api"] = known

    def check() -> Response | None:
        return gate.check(known, limiter)

    blueprint_name = blueprint.name
    app.before_request_funcs.setdefault(blueprint_name, []).append(check)
    app.after_request_funcs.setdefault(blueprint_name, []).append(gate.finish)


for _each in endpoints().values():
    blueprint.add_url_rule(
        ROOT + _each.path,
        _each.name,
        _each.view,
        methods=[_each.method],
        provide_automatic_options=False,
    )
blueprint.record(_register)
