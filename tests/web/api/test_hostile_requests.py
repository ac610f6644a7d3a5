"""What clients of the API may send, and what no run and no state of theirs may do with it."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from bot.domain.people.permissions import Role
from bot.services.ports import RunQuery, StateVersion
from bot.web.api.routes import endpoints
from tests.web.api.conftest import ApiClient
from tests.web.conftest import World

Programs = Callable[..., ApiClient]

ALL = "/organizations/plangate/workspaces"
NASTY: tuple[Any, ...] = (
    None,
    [],
    "text",
    {"data": None},
    {"data": []},
    {"data": [[]]},
    {"data": [{"attributes": "text"}]},
    {"data": [{"attributes": ["key"]}]},
    {"data": [{"attributes": {"key": "a", "value": ["b"]}}]},
    {"data": [{"id": {"a": 1}}]},
    {"data": {"attributes": [], "relationships": "text"}},
    {"data": {"attributes": {"name": "\0"}, "relationships": {"workspace": {"data": {"id": "\0"}}}}},
    {"data": {"attributes": {"name": "\ud800"}, "relationships": {"workspace": {"data": {"id": "\ud800"}}}}},
    {"data": {"attributes": {"message": "\ud800\0"}, "relationships": {"workspace": {"data": "ws-1"}}}},
    {"data": {"attributes": {"name": "fine", "description": "\ud800", "working-directory": "\ud800"}}},
    {
        "data": {
            "attributes": {"name": "fine"},
            "relationships": {
                "tags": {"data": [{"attributes": {"name": "\ud800"}}]},
                "tag-bindings": {"data": [{"attributes": "text"}]},
            },
        }
    },
    {"data": {"attributes": {"target-addrs": [1], "variables": {"a": 1}, "is-destroy": "yes"}}},
    {"comment": ["a"], "reason": {"b": "\0"}},
)


@pytest.fixture
def olga(program: Programs) -> ApiClient:
    return program()


def created(client: ApiClient, name: str = "net") -> str:
    return made(client, ALL, "workspaces", {"name": name})


def made(client: ApiClient, path: str, kind: str, attributes: dict[str, str]) -> str:
    said = client.send("POST", path, kind, attributes)
    return str(json.loads(said.data)["data"]["id"])


def with_state(world: World, workspace_id: str, state: bytes) -> None:
    version = StateVersion("sv-1", workspace_id, "", 1, "l", "m", world.clock.now(), len(state))
    with world.services.store.transaction() as tx:
        tx.states.add(version, state)


def test_no_body_at_any_address_is_a_failure_of_the_server(olga: ApiClient) -> None:
    values = {
        "organization_name": "plangate",
        "workspace_name": "net",
        "workspace_id": created(olga),
        "proof": "1-a",
        "set_id": made(olga, "/organizations/plangate/varsets", "varsets", {"name": "all"}),
    }
    at = f"/workspaces/{values['workspace_id']}/vars"
    values["variable_id"] = made(olga, at, "vars", {"key": "a"})
    found = []
    for each in endpoints().values():
        if each.method in ("GET", "DELETE") and not each.takes:
            continue
        path = each.path
        for name in ("run_id", "version_id", "plan_id", "apply_id", "stage", "output_id"):
            path = path.replace(f"<{name}>", "x-1")
        for name, value in values.items():
            path = path.replace(f"<{name}>", value)
        for document in NASTY:
            said = olga.ask(each.method, path, document)
            found += [(each.method, each.path, document)] * (said.status_code >= 500)
    assert found == []


@pytest.mark.parametrize("value", [{"a": 1}, "x" * 300, "a\nb", "\ud800"])
def test_the_value_of_a_tag_is_a_short_line(olga: ApiClient, value: Any) -> None:
    at = f"/workspaces/{created(olga)}/tag-bindings"
    sent = {"data": [{"type": "tag-bindings", "attributes": {"key": "a", "value": value}}]}
    assert olga.ask("PATCH", at, sent).status_code == 422


@pytest.mark.parametrize("queues", [True, False])
def test_what_is_uploaded_to_a_workspace_of_a_repository_never_applies(
    world: World, program: Programs, queues: bool
) -> None:
    # Promise 1: what applies there was reviewed in a pull request, or pushed to the branch.
    there = world.workspace(auto_apply=True)
    olga = program("olga", role=Role.ADMIN)
    path = f"/workspaces/{there.id}/configuration-versions"
    refused = olga.send("POST", path, "configuration-versions", {"auto-queue-runs": queues})
    assert refused.status_code == 422
    assert "only planned" in json.loads(refused.data)["errors"][0]["detail"]
    speculative = {"auto-queue-runs": queues, "speculative": True}
    version = json.loads(olga.send("POST", path, "configuration-versions", speculative).data)["data"]
    url = version["attributes"]["upload-url"].removeprefix("http://plangate.example.com")
    assert world.stranger().put(url, data=b"bytes").status_code == 200
    with world.services.store.reading() as tx:
        runs = tx.runs.find(RunQuery(workspace_id=there.id))
    assert [run.plan_only for run in runs if run.configuration_version] == [True] * queues


def test_nothing_runs_here_for_a_workspace_whose_runs_are_at_the_client(olga: ApiClient) -> None:
    made = created(olga)
    assert (
        olga.send("PATCH", f"/workspaces/{made}", "workspaces", {"execution-mode": "local"}).status_code
        == 200
    )
    path = f"/workspaces/{made}/configuration-versions"
    refused = olga.send("POST", path, "configuration-versions", {})
    assert (refused.status_code, "at the client" in refused.get_data(as_text=True)) == (422, True)


@pytest.mark.parametrize(
    "state",
    [
        b'{"serial": 1, "lineage": "l", "encrypted_data": "abc"}',
        b'{"resources": {"a": 1}}',
        b'{"resources": [["managed"]]}',
        b"not JSON",
    ],
)
def test_a_state_that_cannot_be_read_may_manage_anything(world: World, olga: ApiClient, state: bytes) -> None:
    with_state(world, created(olga), state)
    assert olga.ask("POST", f"{ALL}/net/actions/safe-delete").status_code == 409


@pytest.mark.parametrize(
    "outputs",
    [
        b'{"a": {"value": NaN, "type": "number"}}',
        b'{"a": {"value": 1e999, "type": "number"}}',
        b'{"a": {"value": ' + b"[" * 900 + b"]" * 900 + b', "type": "dynamic"}}',
    ],
)
def test_outputs_that_are_no_json_are_refused(world: World, olga: ApiClient, outputs: bytes) -> None:
    made = created(olga)
    with_state(world, made, b'{"serial": 1, "lineage": "l", "outputs": ' + outputs + b"}")
    said = olga.get(f"/workspaces/{made}/current-state-version-outputs")
    assert (said.status_code, "can't be read" in said.get_data(as_text=True)) == (422, True)


@pytest.mark.parametrize("mark", [True, 1, "false", None, {}])
def test_what_is_not_plainly_open_is_sensitive(world: World, olga: ApiClient, mark: Any) -> None:
    made = created(olga)
    outputs = {"a": {"value": "s3cret", "type": "string", "sensitive": mark}}
    with_state(world, made, json.dumps({"serial": 1, "lineage": "l", "outputs": outputs}).encode())
    said = olga.get(f"/workspaces/{made}/current-state-version-outputs")
    about = json.loads(said.data)["data"][0]["attributes"]
    assert (about["sensitive"], about["value"]) == (True, None)
