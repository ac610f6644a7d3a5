"""Teams, memberships and tokens: read, one's own tokens revoked, and clear refusals for the rest."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from bot.domain.people.permissions import Role
from tests.web.api.conftest import ApiClient
from tests.web.api.test_workspaces_and_runs import data, words
from tests.web.conftest import World

Programs = Callable[..., ApiClient]
ORGANIZATION = "/organizations/plangate"


@pytest.fixture
def olga(program: Programs) -> ApiClient:
    return program()


def me(client: ApiClient) -> str:
    return str(client.found("/account/details")["data"]["id"])


def tokens(client: ApiClient) -> list[dict[str, Any]]:
    return list(client.found(f"/users/{me(client)}/authentication-tokens")["data"])


def test_teams_are_the_owners_and_those_of_visible_workspaces(
    world: World, program: Programs, olga: ApiClient
) -> None:
    world.workspace("network", team="platform")
    found = olga.found(f"{ORGANIZATION}/teams")["data"]
    assert [each["attributes"]["name"] for each in found] == ["owners", "platform"]
    assert olga.found(f"{ORGANIZATION}/teams?filter[names]=platform")["data"] == found[1:]
    assert olga.found(f"{ORGANIZATION}/teams?q=OWN")["data"] == found[:1]
    at = f"/teams/{found[1]['id']}"
    assert data(olga.get(at)) == found[1]
    stranger = program("sam")
    assert [each["attributes"]["name"] for each in stranger.found(f"{ORGANIZATION}/teams")["data"]] == [
        "owners"
    ]
    assert stranger.get(at).status_code == 404
    for method, path in (("POST", f"{ORGANIZATION}/teams"), ("PATCH", at), ("DELETE", at)):
        refused = olga.send(method, path, "teams", {"name": "x"})
        assert (refused.status_code, "plangate.yml" in words(refused)) == (422, True)


def test_a_membership_says_whether_somebody_is_an_owner(program: Programs, olga: ApiClient) -> None:
    (mine,) = olga.found(f"{ORGANIZATION}/organization-memberships")["data"]
    assert len(mine["relationships"]["teams"]["data"]) == 1
    shown = olga.found(f"/organization-memberships/{mine['id']}?include=user")
    assert shown["included"][0]["attributes"]["username"] == "olga"
    wren = program("wren", "admin", Role.ADMIN)
    (theirs,) = wren.found("/organization-memberships")["data"]
    assert theirs["relationships"]["teams"]["data"] == []
    assert wren.get(f"/organization-memberships/{mine['id']}").status_code == 404
    invited = olga.send("POST", f"{ORGANIZATION}/organization-memberships", "organization-memberships", {})
    assert (invited.status_code, "PLANGATE_MEMBER_ROLE" in words(invited)) == (422, True)


def test_tokens_are_listed_without_secrets_and_only_to_their_person(
    program: Programs, olga: ApiClient
) -> None:
    (mine,) = tokens(olga)
    assert mine["attributes"]["token"] is None
    assert olga.secret not in json.dumps(mine)
    assert data(olga.get(f"/authentication-tokens/{mine['id']}")) == mine
    assert data(olga.get(f"/users/{me(olga)}"))["attributes"]["username"] == "olga"
    wren = program("wren")
    assert wren.get(f"/users/{me(olga)}/authentication-tokens").status_code == 404
    assert wren.get(f"/users/{me(olga)}").status_code == 404
    assert wren.get(f"/authentication-tokens/{mine['id']}").status_code == 404
    assert wren.ask("DELETE", f"/authentication-tokens/{mine['id']}").status_code == 404
    assert len(tokens(olga)) == 1


def test_a_token_revokes_itself_and_with_the_scope_admin_others_of_its_person(
    program: Programs, olga: ApiClient
) -> None:
    reader = program("olga", "read")
    first = next(each for each in tokens(olga) if each["attributes"]["description"] == "program 0")
    second = next(each for each in tokens(olga) if each["attributes"]["description"] == "program 1")
    assert reader.ask("DELETE", f"/authentication-tokens/{first['id']}").status_code == 404
    third = program("olga", "read")
    assert olga.ask("DELETE", f"/authentication-tokens/{second['id']}").status_code == 204
    assert reader.get("/account/details").status_code == 401
    mine = next(each for each in tokens(third) if each["attributes"]["description"] == "program 2")
    assert third.ask("DELETE", f"/authentication-tokens/{mine['id']}").status_code == 204
    assert third.get("/account/details").status_code == 401
    assert [each["id"] for each in tokens(olga)] == [first["id"]]


def test_no_token_creates_another(olga: ApiClient) -> None:
    for path in (f"/users/{me(olga)}/authentication-tokens", f"{ORGANIZATION}/authentication-token"):
        refused = olga.send("POST", path, "authentication-tokens", {})
        assert (refused.status_code, "can't create tokens" in words(refused)) == (422, True)
    assert olga.get(f"{ORGANIZATION}/authentication-token").status_code == 404
