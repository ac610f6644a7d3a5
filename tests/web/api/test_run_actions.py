"""Runs of the organization, force-execute, comments, and what the settings alone say."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from bot.domain.people.permissions import Role
from tests.web.api.conftest import ApiClient
from tests.web.api.test_saved_plans import planned
from tests.web.api.test_workspaces_and_runs import data, make, start, upload, words
from tests.web.conftest import World

Programs = Callable[..., ApiClient]
RUNS = "/organizations/plangate/runs"


@pytest.fixture
def olga(program: Programs) -> ApiClient:
    return program()


def runs(client: ApiClient, count: int, name: str = "net") -> list[str]:
    made = make(client, name)
    version = upload(client, made["id"])
    return [str(data(start(client, made["id"], version))["id"]) for _ in range(count)]


def status(client: ApiClient, run_id: str) -> str:
    return str(data(client.get(f"/runs/{run_id}"))["attributes"]["status"])


def test_runs_of_the_organization_are_listed_in_pages_without_totals(
    program: Programs, olga: ApiClient
) -> None:
    three, other = runs(olga, 3), runs(olga, 1, "other")
    first = olga.found(f"{RUNS}?page[size]=2")
    assert len(first["data"]) == 2
    assert first["meta"]["pagination"]["next-page"] == 2
    assert "total-count" not in first["meta"]["pagination"]
    last = olga.found(f"{RUNS}?page[size]=2&page[number]=2")
    assert last["meta"]["pagination"]["next-page"] is None
    assert {each["id"] for each in [*first["data"], *last["data"]]} == {*three, *other}
    named = olga.found(f"{RUNS}?filter[workspace_names]=other")["data"]
    assert [each["id"] for each in named] == other
    assert olga.found(f"{RUNS}?filter[status]=applied")["data"] == []
    assert olga.found(f"{RUNS}?filter[workspace_names]=nothing")["data"] == []
    assert program("wren").found(RUNS)["data"] == []


def test_force_execute_discards_what_waits_before_and_nothing_that_has_a_worker(
    world: World, program: Programs, olga: ApiClient
) -> None:
    holder, second, third = runs(olga, 3)
    planned(world, holder, None)
    forced = f"/runs/{third}/actions/force-execute"
    assert program("olga", "write").ask("POST", forced).status_code == 404
    assert olga.ask("POST", f"/runs/{holder}/actions/force-execute").status_code == 409
    assert olga.ask("POST", forced).status_code == 202
    assert [status(olga, each) for each in (holder, second, third)] == ["discarded", "discarded", "pending"]
    assert third in world.dispatch.woken
    permissions = data(olga.get(f"/runs/{third}"))["attributes"]["permissions"]
    assert permissions["can-force-execute"] is True


def test_a_run_at_work_is_not_stopped_by_a_forced_one(world: World, olga: ApiClient) -> None:
    holder, second = runs(olga, 2)
    world.services.transitions.change(
        holder, lambda _tx, run: [world.services.transitions.moved(run, type(run.status).FETCHING)]
    )
    refused = olga.ask("POST", f"/runs/{second}/actions/force-execute")
    assert (refused.status_code, holder in words(refused)) == (409, True)
    assert status(olga, second) == "pending"


def test_comments_are_lines_of_the_timeline(world: World, program: Programs, olga: ApiClient) -> None:
    (run_id,) = runs(olga, 1)
    at = f"/runs/{run_id}/comments"
    assert olga.found(at)["data"] == []
    made = data(olga.send("POST", at, "comments", {"body": "looks fine"}))
    assert made["attributes"]["body"] == "looks fine"
    assert data(olga.get(f"/comments/{made['id']}")) == made
    assert [each["id"] for each in olga.found(at)["data"]] == [made["id"]]
    assert olga.send("POST", at, "comments", {"body": " "}).status_code == 422
    reader = program("olga", "read")
    assert reader.send("POST", at, "comments", {"body": "no"}).status_code == 404
    for path in ("wsc-nothing", f"{made['id']}9", "nothing-0", f"wsc-{run_id.removeprefix('run-')}-0"):
        assert olga.get(f"/comments/{path}").status_code == 404
    assert program("wren", "admin", Role.ADMIN).get(f"/comments/{made['id']}").status_code == 404
    page = world.visitor("olga").get(f"/runs/{run_id}").get_data(as_text=True)
    assert "looks fine" in page


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("PATCH", "/organizations/plangate"),
        ("DELETE", "/organizations/plangate"),
        ("POST", "/organizations"),
    ],
)
def test_only_the_settings_change_the_organization(olga: ApiClient, method: str, path: str) -> None:
    refused = olga.send(method, path, "organizations", {"name": "other"})
    assert refused.status_code == 422
    assert "PLANGATE_ORGANIZATION" in json.loads(refused.data)["errors"][0]["detail"]


def test_the_page_of_a_run_says_which_program_started_it(world: World, olga: ApiClient) -> None:
    made = make(olga)
    body = {
        "data": {
            "attributes": {},
            "relationships": {
                "workspace": {"data": {"type": "workspaces", "id": made["id"]}},
                "configuration-version": {"data": {"id": upload(olga, made["id"])}},
            },
        }
    }
    headers = {"Authorization": f"Bearer {olga.secret}", "Terraform-Version": "1.11.4"}
    run = data(world.stranger().post("/api/v2/runs", json=body, headers=headers))
    assert run["attributes"]["source"] == "terraform+cloud"
    page = world.visitor("olga").get(f"/runs/{run['id']}").get_data(as_text=True)
    assert "olga started it with Terraform 1.11.4" in page
