"""Variables that clients give a run alone: `-var` and `-var-file`."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from werkzeug.test import TestResponse

from bot.domain.people.audit import AuditAction
from bot.domain.people.permissions import Person, Role
from bot.services.plans.snapshot import secrets_of_run, variables_of
from bot.services.ports import AuditQuery
from tests.web.api.conftest import ApiClient
from tests.web.conftest import World

Programs = Callable[..., ApiClient]


@pytest.fixture
def olga(program: Programs) -> ApiClient:
    return program()


def data(said: TestResponse) -> Any:
    assert said.status_code < 300, said.get_data(as_text=True)
    return json.loads(said.data)["data"]


def start(client: ApiClient, workspace: str, variables: Any) -> TestResponse:
    path = f"/workspaces/{workspace}/configuration-versions"
    sent = {"auto-queue-runs": False, "speculative": True}
    version = data(client.send("POST", path, "configuration-versions", sent))
    url = version["attributes"]["upload-url"].removeprefix("http://plangate.example.com")
    assert client.world.stranger().put(url, data=b"bytes").status_code == 200
    return client.send(
        "POST",
        "/runs",
        "runs",
        {"variables": variables},
        workspace={"type": "workspaces", "id": workspace},
        configuration_version={"type": "configuration-versions", "id": version["id"]},
    )


def test_a_runs_variables_win_over_all_but_sets_with_priority_and_stay_in_a_retry(
    world: World, olga: ApiClient
) -> None:
    there = world.workspace("app")
    at = f"/workspaces/{there.id}/vars"
    for key in ("size", "fixed", "key"):
        sent = {"key": key, "value": "own", "sensitive": key == "key"}
        assert olga.send("POST", at, "vars", sent).status_code == 201
    wanted = {"name": "first", "priority": True, "global": True}
    first = data(olga.send("POST", "/organizations/plangate/varsets", "varsets", wanted))
    at_set = f"/varsets/{first['id']}/relationships/vars"
    assert olga.send("POST", at_set, "vars", {"key": "fixed", "value": "theirs"}).status_code == 201
    given = [
        {"key": "size", "value": '["a"]'},
        {"key": "fixed", "value": '"mine"'},
        {"key": "key", "value": '"s3cret"'},
    ]
    run = data(start(olga, there.id, given))
    # The value that stands for a sensitive one is as secret.
    assert run["attributes"]["variables"] == [*given[:2], {"key": "key", "value": ""}]
    with world.services.store.reading() as tx:
        found = {each.key: (each.value, each.hcl) for each in variables_of(tx, run["id"])}
        assert "s3cret" in secrets_of_run(tx, run["id"])
        (line,) = tx.audit.find(AuditQuery(deed=AuditAction.PLAN))
    assert found == {"size": ('["a"]', True), "fixed": ("theirs", False), "key": ('"s3cret"', True)}
    assert line.detail == "-var size -var fixed -var key"
    assert olga.ask("POST", f"/runs/{run['id']}/actions/cancel").status_code == 202
    again = world.services.controls.retry(run["id"], Person("olga", Role.OWNER))
    with world.services.store.reading() as tx:
        assert variables_of(tx, again.id) == variables_of(tx, run["id"])
    page = world.visitor("olga").get(f"/runs/{run['id']}").get_data(as_text=True)
    assert "size = [&#34;a&#34;]" in page
    assert "s3cret" not in page


def test_who_may_only_look_sees_the_names(world: World, program: Programs, olga: ApiClient) -> None:
    there = world.workspace("app")
    run = data(start(olga, there.id, [{"key": "size", "value": '"large"'}]))
    rea = program("rea", "admin", Role.READ)
    assert data(rea.get(f"/runs/{run['id']}"))["attributes"]["variables"] == [{"key": "size", "value": ""}]
    page = world.visitor("rea").get(f"/runs/{run['id']}").get_data(as_text=True)
    assert ("Variables of this run" in page, "large" in page) == (True, False)


@pytest.mark.parametrize(
    "variables",
    [
        [1],
        [{"key": "a"}],
        [{"key": 1, "value": "1"}],
        [{"key": "a b", "value": "1"}],
        [{"key": "a", "value": "1"}, {"key": "a", "value": "2"}],
        [{"key": "a", "value": "\0"}],
        [{"key": "a", "value": "\ud800"}],
        [{"key": "source", "value": "1"}],
    ],
)
def test_wrong_variables_are_422(world: World, olga: ApiClient, variables: Any) -> None:
    assert start(olga, world.workspace("app").id, variables).status_code == 422
