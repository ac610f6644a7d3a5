"""Each operation of the OpenAPI document, with requests that fit the document and with such that don't.

What is sent comes from schemathesis. Half of the ids are those of things that there are: most of what can go
wrong lies behind them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any
from wsgiref.types import StartResponse, WSGIEnvironment

import pytest
import schemathesis
from hypothesis import given, settings
from hypothesis import strategies as st
from schemathesis import Case, GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from bot.domain.ids import new_id
from bot.domain.people.accounts import Account
from bot.domain.people.permissions import Person, Role
from bot.domain.runs.lifecycle import RunStatus
from bot.services.ports import StateVersion
from bot.web.api import signed
from bot.web.api.openapi import document
from bot.web.api.routes import endpoints
from bot.web.request.api_failures import MEDIA_TYPE
from tests.web.api.conftest import A_TENTH, ApiClient
from tests.web.conftest import World

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]
OPERATIONS = [
    (method.upper(), path)
    for path, methods in document(endpoints().values())["paths"].items()
    for method in methods
]
ORGANIZATION = "/organizations/plangate"
RELATED = {
    "workspace": "workspace_id",
    "configuration-version": "version_id",
    "rollback-state-version": "state_id",
    "run": "run_id",
    "project": "project_id",
}
STATE = b'{"version": 4, "serial": 1, "lineage": "l", "outputs": {"a": {"value": 1, "type": "number"}}}'


@pytest.fixture(scope="module")
def olga(lasting_world: World) -> ApiClient:
    account = Account("hub", "olga")
    secret = lasting_world.services.tokens.make(account, Person("olga", Role.NONE), "all", "admin")
    return ApiClient(lasting_world, secret)


@pytest.fixture(scope="module")
def schema(lasting_world: World) -> Any:
    def served(environ: WSGIEnvironment, start: StartResponse) -> Iterable[bytes]:
        # Tests ask more often than programs may in a second.
        lasting_world.clock.pass_by(A_TENTH)
        return lasting_world.app(environ, start)

    return schemathesis.openapi.from_wsgi("/api/v2/openapi.json", served)


@pytest.mark.parametrize(("method", "path"), OPERATIONS, ids=lambda each: each.strip("/"))
def test_no_request_is_a_failure_of_the_server(olga: ApiClient, schema: Any, method: str, path: str) -> None:
    operation = schema[path][method]
    there = things(olga, path)
    strategies = [operation.as_strategy(generation_mode=mode) for mode in modes(operation.definition.raw)]

    @settings(settings.get_profile("sequences"))
    @given(data=st.data())
    def each(data: st.DataObject) -> None:
        case = data.draw(st.one_of(strategies))
        aim(case, there, lambda: data.draw(st.booleans()))
        said = case.call(headers={"Authorization": f"Bearer {olga.secret}"})
        case.validate_response(said, checks=CHECKS)

    each()


def modes(operation: Mapping[str, Any]) -> list[GenerationMode]:
    """Return what to send to an operation. Nothing is wrong where only names in the address are free."""
    json = MEDIA_TYPE in operation.get("requestBody", {}).get("content", {})
    wrong = json or operation["security"] or any(each["in"] == "query" for each in operation["parameters"])
    return [GenerationMode.POSITIVE, *([GenerationMode.NEGATIVE] if wrong else [])]


def aim(case: Case[Any], there: Mapping[str, str], chosen: Callable[[], bool]) -> None:
    """Put ids of what there is into a request: into its address, and into its relationships."""
    case.path_parameters = {
        name: there[name] if name in there and chosen() else value
        for name, value in case.path_parameters.items()
    }
    data = case.body.get("data") if isinstance(case.body, dict) else None
    related = data.get("relationships") if isinstance(data, dict) else None
    for name, one in related.items() if isinstance(related, dict) else ():
        linked = one.get("data") if isinstance(one, dict) else None
        if isinstance(linked, dict) and name in RELATED and chosen():
            linked["id"] = there[RELATED[name]]


def things(olga: ApiClient, path: str) -> Mapping[str, str]:
    """Make one of everything. Return the ids, by the names that addresses have for them."""
    world = olga.world
    name = new_id("net")
    workspace = _made(olga, f"{ORGANIZATION}/workspaces", "workspaces", {"name": name})
    version = _made(olga, f"/workspaces/{workspace}/configuration-versions", "configuration-versions", {})
    now, state = world.clock.now(), new_id("sv")
    with world.services.store.transaction() as tx:
        there = tx.workspaces.get(workspace)
        tx.states.add(StateVersion(state, workspace, "", 1, "l", "m", now, len(STATE)), STATE)
    run = world.run(there, status=RunStatus.PLANNED)
    version = state if "state" in path else version
    there_is = {
        "organization_name": "plangate",
        "workspace_name": name,
        "workspace_id": workspace,
        "version_id": version,
        "state_id": state,
        "set_id": _made(olga, f"{ORGANIZATION}/varsets", "varsets", {"name": name}),
        "variable_id": _made(olga, f"/workspaces/{workspace}/vars", "vars", {"key": "a"}),
        "project_id": _made(olga, f"{ORGANIZATION}/projects", "projects", {"name": name}),
        "comment_id": _made(olga, f"/runs/{run.id}/comments", "comments", {"body": "fine"}),
        "run_id": run.id,
        "plan_id": run.id.replace("run-", "plan-"),
        "apply_id": run.id.replace("run-", "apply-"),
        "of_user": str(olga.found("/account/details")["data"]["id"]),
        "stage": "plan",
    }
    return there_is | ({"proof": _proof(world, path, there_is)} if path.startswith("/signed") else {})


def _proof(world: World, path: str, there: Mapping[str, str]) -> str:
    """Return the proof of a signed address, good for what there is."""
    part = path.removeprefix("/signed/{proof}/").removesuffix("/json")
    with world.app.app_context():
        return signed.address(part.format(**there)).partition("/signed/")[2].partition("/")[0]


def _made(olga: ApiClient, path: str, kind: str, attributes: dict[str, str]) -> str:
    said = olga.send("POST", path, kind, attributes)
    assert said.status_code == 201, said.get_data(as_text=True)
    return str(said.get_json(force=True)["data"]["id"])
