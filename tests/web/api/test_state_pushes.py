"""States that clients of the API push: under their own lock alone, checked, each version kept."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable
from typing import Any

import pytest
from werkzeug.test import TestResponse

from bot.domain.errors import Conflict
from bot.domain.people.audit import AuditAction
from bot.domain.people.permissions import Person, Role
from bot.domain.runs.lifecycle import RunStatus
from bot.services.ports import AuditQuery, StateLock
from tests.web.api.conftest import ApiClient
from tests.web.conftest import World

Programs = Callable[..., ApiClient]

ALL = "/organizations/plangate/workspaces"
PUBLIC = "http://plangate.example.com"


def state(serial: int, word: str = "one", lineage: str = "lin-1") -> bytes:
    outputs = {
        "word": {"value": word, "type": "string"},
        "key": {"value": "s3cret", "type": "string", "sensitive": True},
    }
    return json.dumps({"version": 4, "serial": serial, "lineage": lineage, "outputs": outputs}).encode()


def data(said: TestResponse) -> Any:
    assert said.status_code < 300, said.get_data(as_text=True)
    return json.loads(said.data)["data"]


def words(said: TestResponse) -> str:
    return " ".join(each["detail"] for each in json.loads(said.data)["errors"])


def claim(raw: bytes, serial: int, **more: Any) -> dict[str, Any]:
    md5 = hashlib.md5(raw, usedforsecurity=False).hexdigest()
    return {"serial": serial, "md5": md5, "lineage": "lin-1", **more}


def push(client: ApiClient, at: str, raw: bytes, serial: int, **more: Any) -> TestResponse:
    sent = claim(raw, serial, **{"state": base64.b64encode(raw).decode(), **more})
    return client.send("POST", f"{at}/state-versions", "state-versions", sent)


def put(world: World, url: str, body: bytes) -> TestResponse:
    assert url.startswith(f"{PUBLIC}/api/v2/signed/")
    return world.stranger().put(url.removeprefix(PUBLIC), data=body)


@pytest.fixture
def olga(program: Programs) -> ApiClient:
    return program()


@pytest.fixture
def at(olga: ApiClient) -> str:
    return f"/workspaces/{data(olga.send('POST', ALL, 'workspaces', {'name': 'net'}))['id']}"


def lock(client: ApiClient, at: str) -> TestResponse:
    return client.ask("POST", f"{at}/actions/lock", {"reason": "Locked by Terraform"})


def test_a_state_is_pushed_only_under_ones_own_lock(world: World, olga: ApiClient, at: str) -> None:
    refused = push(olga, at, state(1), 1)
    assert (refused.status_code, "lock it before" in words(refused)) == (409, True)
    world.services.workspace_locks.lock("net", Person("ben", Role.WRITE), "mine")
    refused = push(olga, at, state(1), 1)
    assert (refused.status_code, "locked by ben: mine" in words(refused)) == (409, True)
    assert olga.ask("POST", f"{at}/actions/force-unlock").status_code == 200
    assert lock(olga, at).status_code == 200
    made = data(push(olga, at, state(1), 1))
    assert (made["attributes"]["serial"], made["attributes"]["status"]) == (1, "finalized")
    said = olga.get(f"{at}/current-state-version")
    assert said.headers["x-terraform-snapshot-interval"] == "20"
    assert data(said)["id"] == made["id"]
    url = data(said)["attributes"]["hosted-state-download-url"].removeprefix(f"{PUBLIC}/api/v2")
    assert olga.get(url).data == state(1)
    with world.services.store.reading() as tx:
        version = tx.states.current(made["relationships"]["workspace"]["data"]["id"])
        lines = [each for each in tx.audit.find(AuditQuery()) if each.deed is AuditAction.PUSH_STATE]
    assert version is not None
    assert version.made_by == "olga"
    assert [(each.subject, each.login) for each in lines if each.ending == "done"] == [(made["id"], "olga")]
    assert len([each for each in lines if each.ending == "refused"]) == 2


@pytest.mark.parametrize(
    ("raw", "serial", "changes", "status", "why"),
    [
        (state(3), 3, {"md5": "0" * 32}, 422, "damaged"),
        (state(3), 3, {"md5": "x"}, 422, "hexadecimal"),
        (state(3), 4, {}, 422, "serial of the state is 3"),
        (state(3), 3, {"lineage": "lin-2"}, 422, "lineage of the state is lin-1"),
        (state(3, lineage="lin-2"), 3, {"lineage": ""}, 409, "another state"),
        (state(2, "other"), 2, {}, 409, "serial is 2 already"),
        (state(1), 1, {}, 409, "serial is 2 already"),
        (state(3), -1, {}, 422, "whole number"),
        (state(3), 3, {"state": "§"}, 422, "base64"),
        (state(3), 3, {"md5": None}, 422, "needs its md5"),
        (b"[]", 3, {}, 422, "not a Terraform state"),
        (state(3), 3, {"state": ""}, 422, "damaged"),
    ],
)
def test_wrong_states_are_refused(
    olga: ApiClient, at: str, raw: bytes, serial: int, changes: dict[str, Any], status: int, why: str
) -> None:
    lock(olga, at)
    data(push(olga, at, state(2), 2))
    refused = push(olga, at, raw, serial, **changes)
    assert (refused.status_code, why in words(refused)) == (status, True), words(refused)
    assert data(olga.get(f"{at}/current-state-version"))["attributes"]["serial"] == 2


def test_the_same_state_changes_nothing_and_force_gets_a_higher_serial(olga: ApiClient, at: str) -> None:
    lock(olga, at)
    first = data(push(olga, at, state(7), 7))
    assert data(push(olga, at, state(7), 7))["id"] == first["id"]
    other = state(2, lineage="lin-2")
    forced = data(push(olga, at, other, 2, lineage="lin-2", force=True))
    assert (forced["attributes"]["serial"], forced["attributes"]["lineage"]) == (8, "lin-2")
    listed = olga.found(
        "/state-versions?filter[organization][name]=plangate&filter[workspace][name]=net&page[size]=1"
    )
    assert [each["id"] for each in listed["data"]] == [forced["id"]]
    assert listed["meta"]["pagination"]["total-count"] == 2


def test_a_state_is_announced_and_then_sent_without_a_token(world: World, olga: ApiClient, at: str) -> None:
    lock(olga, at)
    sent = claim(state(1), 1)
    announced = data(olga.send("POST", f"{at}/state-versions", "state-versions", sent))
    about = announced["attributes"]
    assert about["status"] == "pending"
    assert data(olga.get(f"/state-versions/{announced['id']}"))["attributes"]["status"] == "pending"
    assert put(world, about["hosted-json-state-upload-url"], b"{}").status_code == 200
    assert put(world, about["hosted-state-upload-url"], state(1, "another")).status_code == 422
    for _ in range(2):  # a client repeats it if the answer was lost
        assert put(world, about["hosted-state-upload-url"], state(1)).status_code == 200
    assert put(world, about["hosted-state-upload-url"], state(1, "another")).status_code == 409
    shown = data(olga.get(f"/state-versions/{announced['id']}"))["attributes"]
    assert (shown["status"], shown["serial"]) == ("finalized", 1)
    # The same state once more: its address takes it and nothing changes.
    again = data(olga.send("POST", f"{at}/state-versions", "state-versions", sent))
    assert again["id"] == announced["id"]
    assert put(world, again["attributes"]["hosted-state-upload-url"], state(1)).status_code == 200
    forged = about["hosted-state-upload-url"].replace(announced["id"], "sv-other")
    assert put(world, forged, state(1)).status_code == 404


def test_an_announced_state_is_refused_once_the_lock_is_another(
    world: World, olga: ApiClient, at: str
) -> None:
    lock(olga, at)
    announced = data(olga.send("POST", f"{at}/state-versions", "state-versions", claim(state(1), 1)))
    url = announced["attributes"]["hosted-state-upload-url"]
    assert olga.ask("POST", f"{at}/actions/unlock").status_code == 200
    assert put(world, url, state(1)).status_code == 409
    assert lock(olga, at).status_code == 200
    refused = put(world, url, state(1))
    assert (refused.status_code, "announce it again" in words(refused)) == (409, True)
    assert olga.get(f"{at}/current-state-version").status_code == 404


def test_too_large_a_state_is_413(
    world: World, olga: ApiClient, at: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.web.api.state_versions.STATE_LIMIT", 2048)
    lock(olga, at)
    announced = data(olga.send("POST", f"{at}/state-versions", "state-versions", claim(state(1), 1)))
    for name in ("hosted-state-upload-url", "hosted-json-state-upload-url"):
        assert put(world, announced["attributes"][name], bytes(2049)).status_code == 413


def test_a_rollback_makes_a_new_version_under_ones_own_lock(olga: ApiClient, at: str) -> None:
    lock(olga, at)
    first = data(push(olga, at, state(1), 1))
    data(push(olga, at, state(2, "two"), 2))
    chosen = {"type": "state-versions", "id": first["id"]}
    olga.ask("POST", f"{at}/actions/unlock")

    def roll_back(**related: Any) -> TestResponse:
        return olga.send("PATCH", f"{at}/state-versions", "state-versions", {}, **related)

    assert roll_back(rollback_state_version=chosen).status_code == 409
    lock(olga, at)
    made = data(roll_back(rollback_state_version=chosen))
    assert made["attributes"]["serial"] == 3
    assert (
        json.loads(olga.get(f"/state-versions/{made['id']}/download").data)["outputs"]["word"]["value"]
        == "one"
    )
    assert roll_back().status_code == 422


def test_a_sensitive_output_has_its_value_only_if_asked_for_alone(olga: ApiClient, at: str) -> None:
    lock(olga, at)
    made = data(push(olga, at, state(1), 1))
    for path in (f"{at}/current-state-version-outputs", f"/state-versions/{made['id']}/outputs"):
        found = {each["attributes"]["name"]: each for each in olga.found(path)["data"]}
        assert found["word"]["attributes"]["value"] == "one"
        assert found["key"]["attributes"]["value"] is None
    alone = data(olga.get(f"/state-version-outputs/{found['key']['id']}"))["attributes"]
    assert (alone["value"], alone["sensitive"]) == ("s3cret", True)
    assert olga.get("/state-version-outputs/wsout-x-1").status_code == 404


def test_only_administrators_push_states_into_a_workspace_of_a_repository(
    world: World, program: Programs
) -> None:
    there = world.workspace("app")
    at = f"/workspaces/{there.id}"
    wren, ada, pat = (
        program("wren", "admin", Role.WRITE),
        program("ada", "admin", Role.ADMIN),
        program("pat", "admin", Role.PLAN),
    )
    limited = program("ada", "write")
    for client, allowed in ((wren, False), (ada, True), (limited, False)):
        seen = data(client.get(at))["attributes"]["permissions"]
        assert (seen["can-create-state-versions"], seen["can-read-state-versions"]) == (allowed, True)
    assert lock(wren, at).status_code == 200
    assert push(wren, at, state(1), 1).status_code == 404
    assert wren.ask("POST", f"{at}/actions/unlock").status_code == 200
    assert lock(ada, at).status_code == 200
    assert push(limited, at, state(1), 1).status_code == 404
    assert push(pat, at, state(1), 1).status_code == 404
    made = data(push(ada, at, state(1), 1))
    # Who may only plan sees nothing of a state.
    for path in (f"/state-versions/{made['id']}", f"{at}/current-state-version"):
        assert pat.get(path).status_code == 404


def test_the_lock_is_one_for_people_and_runs(world: World, olga: ApiClient) -> None:
    there = world.workspace("app")
    at = f"/workspaces/{there.id}"
    run = world.run(there, status=RunStatus.PLANNING)
    seen = data(olga.get(at))
    assert seen["attributes"]["locked"] is True
    assert seen["relationships"]["locked-by"]["data"] == {"id": run.id, "type": "runs"}
    assert lock(olga, at).status_code == 409
    refused = olga.ask("POST", f"{at}/actions/unlock")
    assert (refused.status_code, f"is locked by Run {run.id}" in words(refused)) == (409, True)
    assert olga.ask("POST", f"{at}/actions/force-unlock").status_code == 409


def test_a_lost_workers_terraform_keeps_clients_from_writing_until_it_is_forced(
    world: World, olga: ApiClient
) -> None:
    there = world.workspace("app")
    at = f"/workspaces/{there.id}"
    run = world.run(there, status=RunStatus.ERRORED)
    with world.services.store.transaction() as tx:
        tx.states.lock(StateLock(there.id, "lock-1", run.id, "{}", world.clock.now()))
    assert lock(olga, at).status_code == 409
    with world.services.store.reading() as tx:
        assert tx.workspaces.get(there.id).lock is None
    # A person may still keep the next run from starting, but can't write the state.
    world.services.workspace_locks.lock("app", Person("olga", Role.OWNER))
    assert push(olga, at, state(1), 1).status_code == 409
    world.services.workspace_locks.unlock("app", Person("olga", Role.OWNER))
    assert olga.ask("POST", f"{at}/actions/force-unlock").status_code == 200
    assert lock(olga, at).status_code == 200
    assert data(push(olga, at, state(1), 1))["attributes"]["serial"] == 1
    with pytest.raises(Conflict):
        world.services.workspace_locks.lock("app", Person("ben", Role.WRITE))
