"""Two versions of a state, held against each other on a page."""

from __future__ import annotations

import html
import json
from datetime import timedelta
from typing import Any

import pytest

from bot.domain.runs.lifecycle import RunStatus, StageStatus
from bot.domain.runs.run import Run
from bot.domain.workspaces.variables import Variable
from bot.domain.workspaces.workspace import Workspace
from bot.services.ports import ArtifactKind, StateVersion
from tests.web.conftest import World


def text(world: World, path: str, status: int = 200) -> str:
    answer = world.client.get(path)
    assert answer.status_code == status, answer.get_data(as_text=True)
    return html.unescape(answer.get_data(as_text=True))


def state(serial: int, **resources: Any) -> bytes:
    listed = [
        {"type": "thing", "name": name, "instances": [{"attributes": attributes}]}
        for name, attributes in resources.items()
    ]
    return json.dumps({"version": 4, "serial": serial, "lineage": "l", "resources": listed}).encode()


def keep(world: World, workspace: Workspace, serial: int, data: bytes) -> StateVersion:
    at = world.services.clock.now() + timedelta(minutes=serial)
    version = StateVersion(f"sv-{serial}", workspace.id, "", serial, "l", "md5", at, len(data))
    with world.services.store.transaction() as tx:
        tx.states.add(version, data)
    return version


def tell(world: World, workspace: Workspace, secret: str = "") -> Run:
    """A run with a plan that knows the type of resource, and which of its attributes are sensitive."""
    run = world.run(workspace, status=RunStatus.APPLIED, plan_status=StageStatus.FINISHED)
    known = {"type": "thing", "sensitive_values": {"pin": True}}
    plan = {"format_version": "1.2", "prior_state": {"values": {"root_module": {"resources": [known]}}}}
    variable = Variable("word", secret, sensitive=True)
    kept = [
        {"key": "word", "value": secret, "category": variable.category.value, "hcl": False, "sensitive": True}
    ]
    with world.services.store.transaction() as tx:
        tx.artifacts.put(run.id, ArtifactKind.PLAN_JSON, json.dumps(plan).encode())
        tx.artifacts.put(run.id, ArtifactKind.VARIABLES, json.dumps(kept).encode())
    return run


def test_a_resource_of_a_state_opens_with_its_instances_and_without_what_is_secret(world: World) -> None:
    workspace = world.workspace()
    tell(world, workspace, secret="open sesame")
    instances = [
        {"index_key": key, "attributes": {"size": 1, "pin": "1111", "said": f"hello open sesame {key}"}}
        for key in ("a", "b")
    ]
    listed = [
        {"type": "thing", "name": "it", "instances": instances},
        {"type": "thing", "name": "it2", "instances": [{"attributes": {"size": 7}}]},
        {"type": "strange", "name": "it", "instances": [{"attributes": {"size": "hush"}}]},
    ]
    data = json.dumps({"version": 4, "serial": 1, "lineage": "l", "resources": listed}).encode()
    keep(world, workspace, 1, data)
    state_page = text(world, "/workspaces/network/states/sv-1")
    link = "/workspaces/network/states/sv-1/resource?address=thing.it"
    assert f'<a href="{link}"><code>thing.it</code></a>' in state_page
    page = text(world, link)
    assert "2 instances" in page
    assert 'thing.it["a"]' in page
    assert 'thing.it["b"]' in page
    assert "thing.it2" not in page
    assert "hello" in page
    for secret in ("1111", "open sesame"):
        assert secret not in page
    untold = text(world, "/workspaces/network/states/sv-1/resource?address=strange.it")
    assert "hidden until a plan says" in untold
    assert "hush" not in untold
    for nothing in ("?address=thing.no", "?address=thing", ""):
        text(world, f"/workspaces/network/states/sv-1/resource{nothing}", 404)
    world.workspace("other")
    text(world, "/workspaces/other/states/sv-1/resource?address=thing.it", 404)


def test_versions_are_compared_attribute_by_attribute_without_what_is_secret(world: World) -> None:
    workspace = world.workspace()
    keep(world, workspace, 1, state(1, it={"size": 1, "pin": "1111", "said": "hello"}, gone={"size": 4}))
    keep(world, workspace, 2, state(2, it={"size": 2, "pin": "2222", "said": "hello open sesame"}))
    tell(world, workspace, secret="open sesame")
    page = text(world, "/workspaces/network/states/compare")
    assert "Resources: 1 removed, 1 changed" in page
    assert "thing.gone" in page
    for hidden in ("1111", "2222", "sesame"):
        assert hidden not in page
    assert "(sensitive value)" in page
    assert '"hello ***"' in page
    assert "<script>" not in page
    assert (
        text(world, "/workspaces/network/states/compare?before=sv-2&now=sv-1").count("1 added, 1 changed")
        == 1
    )
    assert "Both sides show the same version" in text(
        world, "/workspaces/network/states/compare?before=sv-2&now=sv-2"
    )


def test_values_are_hidden_until_a_plan_has_told_which_are_sensitive(world: World) -> None:
    workspace = world.workspace()
    keep(world, workspace, 1, state(1, it={"size": 11111}))
    keep(world, workspace, 2, state(2, it={"size": 22222}))
    page = text(world, "/workspaces/network/states/compare")
    assert "Its values are hidden until a plan says" in page
    assert "11111" not in page
    assert "22222" not in page


def test_many_resources_come_in_parts(world: World) -> None:
    workspace = world.workspace()
    keep(world, workspace, 1, state(1))
    keep(world, workspace, 2, state(2, **{f"it{n:03}": {"size": n} for n in range(101)}))
    first = text(world, "/workspaces/network/states/compare")
    assert "101 added" in first
    assert "1 to 100 of 101" in first
    assert "thing.it100" not in first
    assert "thing.it100" in text(world, "/workspaces/network/states/compare?before=sv-1&now=sv-2&page=2")


def test_what_is_not_there_or_elsewhere_is_not_found(world: World) -> None:
    workspace, other = world.workspace(), world.workspace("other")
    text(world, "/workspaces/network/states/compare", 404)
    keep(world, workspace, 1, state(1))
    keep(world, other, 2, state(2))
    text(world, "/workspaces/network/states/compare?before=sv-1&now=sv-2", 404)
    text(world, "/workspaces/network/states/compare?before=nothing", 404)


def test_a_version_lists_its_resources_in_parts_and_by_address(world: World) -> None:
    workspace = world.workspace()
    keep(world, workspace, 1, state(1, **{f"it{n:03}": {} for n in range(501)}))
    page = text(world, "/workspaces/network/states/sv-1")
    assert "1 to 500 of 501" in page
    assert "thing.it500" not in page
    assert "thing.it500" in text(world, "/workspaces/network/states/sv-1?page=2")
    found = text(world, "/workspaces/network/states/sv-1?q=IT50")
    assert "thing.it500" in found
    assert "thing.it049" not in found
    assert "No address of a resource contains this" in text(
        world, "/workspaces/network/states/sv-1?q=nowhere"
    )


@pytest.mark.parametrize("depth", [200, 600, 900, 100_000])
def test_states_that_nest_values_deeply_are_no_error_of_ours(world: World, depth: int) -> None:
    workspace = world.workspace()
    for serial in (1, 2):
        nested = f"{'[' * depth}{serial}{']' * depth}"
        data = state(serial, it={"a": "here"}).replace(b'"here"', nested.encode())
        keep(world, workspace, serial, data)
        assert world.client.get(f"/workspaces/network/states/sv-{serial}").status_code == 200
    assert world.client.get("/workspaces/network/states/compare").status_code in (200, 400)
