"""Saved plans and the JSON of plans, as clients see them."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from bot.domain.people.permissions import Person, Role
from bot.domain.runs.lifecycle import RunStatus
from bot.domain.runs.run import Run
from bot.services.ports import ArtifactKind
from tests.web.api.conftest import ApiClient
from tests.web.api.test_workspaces_and_runs import data, make, start, upload, words
from tests.web.conftest import World

Programs = Callable[..., ApiClient]

PLAN = {
    "format_version": "1.2",
    "terraform_version": "1.15.5",
    "resource_changes": [
        {
            "address": "terraform_data.one",
            "mode": "managed",
            "type": "terraform_data",
            "name": "one",
            "provider_name": "terraform.io/builtin/terraform",
            "change": {
                "actions": ["create"],
                "before": None,
                "after": {"input": "s3cret", "name": "one"},
                "after_sensitive": {"input": True},
            },
        }
    ],
}


@pytest.fixture
def olga(program: Programs) -> ApiClient:
    return program()


def planned(world: World, run_id: str, status: RunStatus | None = RunStatus.PLANNED_AND_SAVED) -> Run:
    """Bring a run to where a worker would have brought it."""
    steps = (RunStatus.FETCHING, RunStatus.FETCHING_COMPLETED, RunStatus.PLAN_QUEUED, RunStatus.PLANNING)

    def step(tx: Any, run: Run) -> Any:
        moves = []
        for each in filter(None, (*steps, RunStatus.PLANNED, status)):
            moves.append(world.services.transitions.moved(run, each, has_changes=True))
            run = moves[-1][0]
        tx.artifacts.put(run.id, ArtifactKind.PLAN_JSON, json.dumps(PLAN).encode())
        return moves

    return world.services.transitions.change(run_id, step)


def saved(client: ApiClient, **attributes: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    made = make(client)
    version = upload(client, made["id"], provisional=True)
    return made, data(start(client, made["id"], version, save_plan=True, **attributes))


def test_a_saved_plan_is_confirmed_by_the_file_s_run(world: World, olga: ApiClient) -> None:
    made, run = saved(olga, auto_apply=True)
    about = run["attributes"]
    assert (about["save-plan"], about["plan-only"], about["auto-apply"]) == (True, False, False)
    assert olga.ask("POST", f"/runs/{run['id']}/actions/apply").status_code == 409
    planned(world, run["id"])
    shown = data(olga.get(f"/runs/{run['id']}?include=workspace"))["attributes"]
    assert (shown["status"], shown["actions"]["is-confirmable"]) == ("planned_and_saved", True)
    there = data(olga.get(f"/workspaces/{made['id']}"))
    assert there["relationships"]["current-run"]["data"] is None
    holder = data(start(olga, made["id"], upload(olga, made["id"])))
    assert holder["attributes"]["position-in-queue"] == 0
    assert olga.ask("POST", f"/runs/{run['id']}/actions/apply", {"comment": None}).status_code == 202
    waiting = data(olga.get(f"/runs/{run['id']}"))["attributes"]
    assert (waiting["status"], waiting["actions"]["is-confirmable"]) == ("confirmed", False)
    assert olga.ask("POST", f"/runs/{run['id']}/actions/apply").status_code == 409
    page = world.visitor("olga").get(f"/runs/{run['id']}")
    assert page.status_code == 200


def test_the_page_of_a_saved_plan_offers_to_confirm_and_to_discard(world: World, olga: ApiClient) -> None:
    _, run = saved(olga)
    planned(world, run["id"])
    page = world.visitor("olga").get(f"/runs/{run['id']}").get_data(as_text=True)
    assert "Plan saved" in page
    assert "Discard" in page
    world.services.controls.discard(run["id"], Person("olga", Role.OWNER))
    shown = data(olga.get(f"/runs/{run['id']}"))["attributes"]
    assert (shown["status"], shown["actions"]["is-confirmable"]) == ("discarded", False)


def test_the_json_of_a_plan_is_for_admins_and_the_redacted_one_for_everybody(
    world: World, program: Programs, olga: ApiClient
) -> None:
    _, run = saved(olga)
    at = f"/plans/plan-{run['id'].removeprefix('run-')}"
    assert olga.get(f"{at}/json-output").status_code == 204
    assert olga.get(f"{at}/json-output-redacted").status_code == 204
    planned(world, run["id"])
    for path in (f"{at}/json-output", f"/runs/{run['id']}/plan/json-output"):
        assert olga.found(path) == PLAN
    reader = program("olga", "read")
    assert reader.get(f"{at}/json-output").status_code == 404
    redacted = reader.get(f"{at}/json-output-redacted")
    assert b"s3cret" not in redacted.data
    assert set(json.loads(redacted.data)) >= {"plan_format_version", "provider_schemas", "resource_changes"}
    assert program("wren").get(f"{at}/json-output-redacted").status_code == 404


def test_a_run_knows_the_program_that_created_it(world: World, olga: ApiClient) -> None:
    made = make(olga)
    version = upload(olga, made["id"])
    run = data(start(olga, made["id"], version))
    body = {
        "data": {
            "type": "runs",
            "attributes": {"allow-empty-apply": True},
            "relationships": {"workspace": {"data": {"type": "workspaces", "id": made["id"]}}},
        }
    }
    headers = {"Authorization": f"Bearer {olga.secret}", "Terraform-Version": "1.11.4"}
    said = world.stranger().post("/api/v2/runs", json=body, headers=headers)
    second = data(said)
    assert second["attributes"]["allow-empty-apply"] is True
    hostile = world.stranger().post(
        "/api/v2/runs", json=body, headers={**headers, "Terraform-Version": "1\u00e9" * 80}
    )
    with world.services.store.reading() as tx:
        clients = [tx.runs.get(each["id"]).client for each in (run, second, data(hostile))]
    assert clients[1:] == ["Terraform/1.11.4", ""]


def test_what_is_not_in_an_upload_is_refused_with_a_reason(world: World, program: Programs) -> None:
    wren = program("wren", "admin", Role.ADMIN)
    theirs = world.workspace("app")
    refused = start(wren, theirs.id, "", save_plan=True)
    assert (refused.status_code, "uploaded configuration" in words(refused)) == (422, True)
