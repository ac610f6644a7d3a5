"""The gate of the API: tokens, words of errors, how often, and what is found without a token."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from bot.domain.people.permissions import Role
from bot.web.api.gate import RATE
from tests.web.api.conftest import JSON_API, ApiClient
from tests.web.conftest import World

Programs = Callable[..., ApiClient]


def test_clients_find_the_api_by_discovery(world: World) -> None:
    said = world.stranger().get("/.well-known/terraform.json")
    assert said.mimetype == "application/json"
    found = said.get_json()
    assert found.pop("login.v1")["client"] == "terraform-cli"
    assert set(found.values()) == {"/api/v2/"}
    assert {"tfe.v2", "tfe.v2.1", "tfe.v2.2", "state.v2"} == set(found)


def test_the_address_that_the_cli_prints_leads_to_the_page_of_the_run(world: World) -> None:
    said = world.stranger().get("/app/plangate/net/runs/run-x")
    assert (said.status_code, said.headers["Location"]) == (302, "/runs/run-x")


def test_ping_needs_no_token_and_says_the_version_and_the_rate(world: World) -> None:
    said = ApiClient(world).get("/ping")
    assert said.status_code == 204
    assert said.headers["TFP-API-Version"] == "2.6"
    assert said.headers["X-RateLimit-Limit"] == str(RATE)


@pytest.mark.parametrize("secret", ["", "plangate_wrong", "x" * 4000])
def test_without_a_valid_token_it_is_401_with_errors(world: World, secret: str) -> None:
    said = ApiClient(world, secret).get("/account/details")
    assert said.status_code == 401
    assert said.mimetype == JSON_API
    assert json.loads(said.data)["errors"][0]["status"] == "401"


def test_every_endpoint_asks_for_a_token_or_a_signed_address(world: World) -> None:
    asked = 0
    for rule in world.app.url_map.iter_rules():
        if not rule.endpoint.startswith("api.") or rule.rule in ("/api/v2/ping", "/api/v2/openapi.json"):
            continue
        path = world.app.url_map.bind("localhost").build(
            rule.endpoint, dict.fromkeys(rule.arguments, "plan"), append_unknown=False
        )
        (method,) = rule.methods - {"HEAD"} if rule.methods else ("",)
        said = world.stranger().open(path, method=method)
        assert said.status_code == (404 if "/signed/" in path else 401), rule
        asked += 1
    assert asked > 30


def test_a_session_of_a_browser_is_no_token(world: World) -> None:
    assert world.client.get("/api/v2/account/details").status_code == 401


@pytest.mark.parametrize("path", ["/nothing", "/", "", "/workspaces/ws-x", "/organizations/elsewhere"])
def test_what_is_not_there_is_404_with_errors(program: Programs, path: str) -> None:
    said = program().get(path)
    assert (said.status_code, said.mimetype) == (404, JSON_API)
    assert json.loads(said.data)["errors"][0]["status"] == "404"


def test_a_method_that_is_not_built_is_404_as_well(program: Programs) -> None:
    assert program().ask("PATCH", "/account/details", {}).status_code == 404
    assert program().ask("OPTIONS", "/account/details").status_code == 404


def test_more_requests_than_the_rate_are_answered_429_until_the_next_second(
    world: World, program: Programs
) -> None:
    one, other = program(), program("olga")
    headers = {"Authorization": f"Bearer {one.secret}"}
    client = world.stranger()
    world.clock.pass_by(timedelta(seconds=2))
    codes = [client.get("/api/v2/account/details", headers=headers).status_code for _ in range(RATE + 1)]
    assert codes == [200] * RATE + [429]
    refused = client.get("/api/v2/account/details", headers=headers)
    assert json.loads(refused.data)["errors"][0]["status"] == "429"
    assert 0 < float(refused.headers["X-RateLimit-Reset"]) <= 1
    assert other.get("/account/details").status_code == 200
    world.clock.pass_by(timedelta(seconds=1))
    assert client.get("/api/v2/account/details", headers=headers).status_code == 200


def test_the_account_is_that_of_the_token(program: Programs) -> None:
    data = program("wren", "read").found("/account/details")["data"]
    assert (data["type"], data["attributes"]["username"]) == ("users", "wren")
    assert data["id"].startswith("user-")


def test_there_is_one_organization_with_what_it_can_do(program: Programs) -> None:
    olga = program()
    listed = olga.found("/organizations")
    assert [each["attributes"]["name"] for each in listed["data"]] == ["plangate"]
    assert listed["meta"]["pagination"]["total-count"] == 1
    shown = olga.found("/organizations/plangate")["data"]
    assert shown["id"] == shown["attributes"]["name"] == "plangate"
    assert shown["attributes"]["permissions"]["can-create-workspace"] is True
    assert olga.found("/organizations/plangate/entitlement-set")["data"]["attributes"]["operations"] is True


def test_a_member_without_a_role_may_create_nothing(program: Programs) -> None:
    shown = program("wren", "admin", Role.ADMIN).found("/organizations/plangate")["data"]
    assert shown["attributes"]["permissions"]["can-create-workspace"] is False


def test_the_openapi_document_has_every_endpoint(world: World) -> None:
    document = ApiClient(world).found("/openapi.json")
    assert document["openapi"].startswith("3.1")
    assert "get" in document["paths"]["/organizations/{organization_name}/entitlement-set"]
    listed = {(path, method.upper()) for path, methods in document["paths"].items() for method in methods}
    rules = [rule for rule in world.app.url_map.iter_rules() if rule.endpoint.startswith("api.")]
    assert len(listed) == len(rules)


def test_the_openapi_document_says_what_bodies_and_answers_have(world: World) -> None:
    paths = ApiClient(world).found("/openapi.json")["paths"]

    def body(path: str, method: str = "post", kind: str = JSON_API) -> Any:
        return paths[path][method]["requestBody"]["content"][kind]["schema"]

    runs = body("/runs")["properties"]["data"]["properties"]
    assert {"workspace", "configuration-version"} == set(runs["relationships"]["properties"])
    assert body("/workspaces/{workspace_id}/relationships/tags")["properties"]["data"]["type"] == "array"
    assert body("/signed/{proof}/uploads/{version_id}", "put", "application/octet-stream") == {}
    assert "204" in paths["/plans/{plan_id}/json-output"]["get"]["responses"]
    assert "204" not in paths["/plans/{plan_id}"]["get"]["responses"]
