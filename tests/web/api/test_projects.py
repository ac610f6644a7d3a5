"""Projects: those of plangate.yml and those made through the API are the same."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from bot.domain.people.permissions import Role
from bot.domain.workspaces.project import DEFAULT_ID
from tests.web.api.conftest import ApiClient
from tests.web.api.test_workspaces_and_runs import ALL, data, words
from tests.web.conftest import World

Programs = Callable[..., ApiClient]
PROJECTS = "/organizations/plangate/projects"


@pytest.fixture
def olga(program: Programs) -> ApiClient:
    return program()


def make(client: ApiClient, name: str = "payments", **attributes: Any) -> dict[str, Any]:
    return data(client.send("POST", PROJECTS, "projects", {"name": name, **attributes}))


def names(client: ApiClient, query: str = "") -> list[str]:
    return [each["attributes"]["name"] for each in client.found(PROJECTS + query)["data"]]


def in_project(client: ApiClient, name: str, project: str) -> dict[str, Any]:
    related = {"type": "projects", "id": project}
    return data(client.send("POST", ALL, "workspaces", {"name": name}, project=related))


def test_there_is_a_default_project_and_an_unknown_name_is_an_empty_list(olga: ApiClient) -> None:
    assert names(olga) == ["Default Project"]
    assert olga.found(f"{PROJECTS}?filter[names]=nothing")["data"] == []
    assert olga.found(f"{PROJECTS}?filter[names]=nothing")["meta"]["pagination"]["total-count"] == 0
    organization = olga.found("/organizations/plangate")["data"]
    assert organization["relationships"]["default-project"]["data"]["id"] == DEFAULT_ID
    assert olga.ask("DELETE", f"/projects/{DEFAULT_ID}").status_code == 422
    assert olga.send("PATCH", f"/projects/{DEFAULT_ID}", "projects", {"name": "x"}).status_code == 422


def test_a_project_is_made_read_changed_and_deleted(olga: ApiClient) -> None:
    made = make(olga, description="money")
    at = f"/projects/{made['id']}"
    assert names(olga, "?filter[names]=payments") == ["payments"]
    assert names(olga, "?q=PAY") == ["payments"]
    there = in_project(olga, "app", made["id"])
    assert there["relationships"]["project"]["data"]["id"] == made["id"]
    assert olga.ask("DELETE", at).status_code == 409
    renamed = data(olga.send("PATCH", at, "projects", {"name": "billing"}))
    assert (renamed["id"], renamed["attributes"]["name"]) == (made["id"], "billing")
    assert renamed["attributes"]["description"] == "money"
    again = olga.found(f"/workspaces/{there['id']}?include=project")
    assert again["data"]["relationships"]["project"]["data"]["id"] == made["id"]
    assert again["included"][0]["attributes"]["name"] == "billing"
    assert olga.ask("DELETE", f"/workspaces/{there['id']}").status_code == 204
    assert olga.ask("DELETE", at).status_code == 204
    assert olga.get(at).status_code == 404


@pytest.mark.parametrize("name", ["", " ", "a/b", "x" * 61, "Default Project", " a", "a ", "a\nb"])
def test_wrong_and_taken_names_are_422(olga: ApiClient, name: str) -> None:
    assert olga.send("POST", PROJECTS, "projects", {"name": name}).status_code == 422
    make(olga)
    assert olga.send("POST", PROJECTS, "projects", {"name": "payments"}).status_code == 422


def test_workspaces_are_moved_all_or_none(world: World, olga: ApiClient) -> None:
    made, there = make(olga), in_project(olga, "app", DEFAULT_ID)
    theirs = world.workspace("network", project="platform")
    moved = f"/projects/{made['id']}/relationships/workspaces"
    both = [{"type": "workspaces", "id": each} for each in (there["id"], theirs.id)]
    refused = olga.ask("POST", moved, {"data": both})
    assert (refused.status_code, "plangate.yml" in words(refused)) == (422, True)
    assert olga.found(f"{ALL}?filter[project][id]={made['id']}")["data"] == []
    assert olga.ask("POST", moved, {"data": both[:1]}).status_code == 204
    found = olga.found(f"{ALL}?filter[project][id]={made['id']}")["data"]
    assert [each["id"] for each in found] == [there["id"]]
    assert olga.ask("POST", moved, {"data": [{"id": 3}]}).status_code == 422
    assert olga.ask("POST", moved, {"data": [{"id": "ws-none"}]}).status_code == 404


def test_projects_of_plangate_yml_are_projects_too(world: World, olga: ApiClient) -> None:
    theirs = world.workspace("network", project="platform")
    assert names(olga) == ["Default Project", "platform"]
    (found,) = olga.found(f"{PROJECTS}?filter[names]=platform")["data"]
    seen = data(olga.get(f"/workspaces/{theirs.id}"))
    assert seen["relationships"]["project"]["data"]["id"] == found["id"]
    at = f"/projects/{found['id']}"
    assert data(olga.get(at))["attributes"]["permissions"]["can-update"] is False
    assert olga.ask("DELETE", at).status_code == 422
    assert olga.send("PATCH", at, "projects", {"name": "x"}).status_code == 422
    assert olga.send("POST", PROJECTS, "projects", {"name": "platform"}).status_code == 422
    # A workspace of the API can be in it as well.
    assert in_project(olga, "app", found["id"])["relationships"]["project"]["data"]["id"] == found["id"]


def test_projects_show_only_to_those_who_see_their_workspaces(
    world: World, program: Programs, olga: ApiClient
) -> None:
    make(olga)
    wren = program("wren", "admin", Role.READ)
    world.workspace(project="platform")
    assert names(wren) == ["Default Project", "platform"]
    hidden = olga.found(f"{PROJECTS}?filter[names]=payments")["data"][0]["id"]
    assert wren.get(f"/projects/{hidden}").status_code == 404
    assert wren.send("POST", PROJECTS, "projects", {"name": "x"}).status_code == 404
    limited = program("olga", "admin", workspaces=("other",))
    assert names(limited) == ["Default Project"]
