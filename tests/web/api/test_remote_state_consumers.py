"""Which workspaces' runs may read a state, as clients of the API say it."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from bot.domain.people.permissions import Role
from bot.domain.workspaces.sharing import shares_with
from bot.domain.workspaces.workspace import Workspace
from tests.web.api.conftest import ApiClient
from tests.web.conftest import World

Programs = Callable[..., ApiClient]

ALL = "/organizations/plangate/workspaces"


@pytest.fixture
def olga(program: Programs) -> ApiClient:
    return program()


def workspace(client: ApiClient, name: str, **about: Any) -> str:
    said = client.send("POST", ALL, "workspaces", {"name": name, **about})
    return str(json.loads(said.data)["data"]["id"])


def send(client: ApiClient, method: str, source: str, ids: Sequence[str]) -> int:
    at = f"/workspaces/{source}/relationships/remote-state-consumers"
    return client.ask(method, at, {"data": [{"type": "workspaces", "id": each} for each in ids]}).status_code


def readers(world: World, client: ApiClient, source: str) -> set[str]:
    """Who may read the state: as listed, which is what counts."""
    listed = client.found(f"/workspaces/{source}/relationships/remote-state-consumers")["data"]
    with world.services.store.reading() as tx:
        there, every = tx.workspaces.get(source), tx.workspaces.all()
    counts = {each.id for each in every if shares_with(there, each)}
    assert {each["id"] for each in listed} == (set() if there.shares_with_all else counts)
    return {each.name for each in every if each.id in counts}


def test_states_are_shared_with_some_workspaces_or_with_all(world: World, olga: ApiClient) -> None:
    source, one, two = (workspace(olga, name) for name in ("source", "one", "two"))
    assert readers(world, olga, source) == set()
    assert send(olga, "POST", source, [one, two]) == 204
    assert readers(world, olga, source) == {"one", "two"}
    assert send(olga, "DELETE", source, [one]) == 204
    assert readers(world, olga, source) == {"two"}
    assert send(olga, "PATCH", source, [one]) == 204
    assert readers(world, olga, source) == {"one"}
    at = f"/workspaces/{source}"
    changed = olga.send("PATCH", at, "workspaces", {"global-remote-state": True})
    assert json.loads(changed.data)["data"]["attributes"]["global-remote-state"] is True
    assert readers(world, olga, source) == {"one", "two"}
    assert send(olga, "POST", source, [one]) == 422
    assert olga.send("PATCH", at, "workspaces", {"global-remote-state": False}).status_code == 200
    assert readers(world, olga, source) == set()
    made = workspace(olga, "open", **{"global-remote-state": True})
    assert readers(world, olga, made) == {"one", "source", "two"}


def test_a_reader_keeps_its_right_under_a_new_name_and_leaves_it_to_no_heir(
    world: World, olga: ApiClient
) -> None:
    source, one = workspace(olga, "source"), workspace(olga, "one")
    assert send(olga, "POST", source, [one]) == 204
    assert olga.send("PATCH", f"/workspaces/{one}", "workspaces", {"name": "first"}).status_code == 200
    assert readers(world, olga, source) == {"first"}
    assert olga.ask("DELETE", f"/workspaces/{one}").status_code == 204
    workspace(olga, "first")
    assert readers(world, olga, source) == set()


def test_only_administrators_share_a_state_and_plangate_yml_says_it_for_its_workspaces(
    world: World, program: Programs, olga: ApiClient
) -> None:
    there: Workspace = world.workspace("app")
    source = workspace(olga, "source")
    wren = program("wren", "admin", Role.WRITE)
    assert send(wren, "POST", source, [there.id]) == 404
    assert send(wren, "POST", there.id, [source]) == 404
    assert send(olga, "POST", there.id, [source]) == 422
    assert send(olga, "POST", source, ["ws-nothing"]) == 404
    assert readers(world, olga, source) == set()
