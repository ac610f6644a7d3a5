"""Variables and sets of them, as clients of the API read and change them."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from werkzeug.test import TestResponse

from bot.domain.ids import new_id
from bot.domain.people.permissions import Role
from bot.domain.workspaces.variables import DeclaredSet, DeclaredVariables, Variable
from bot.services.variables.declared import declare
from tests.web.api.conftest import ApiClient
from tests.web.conftest import World

Programs = Callable[..., ApiClient]

ALL = "/organizations/plangate/workspaces"
SETS = "/organizations/plangate/varsets"


def data(said: TestResponse) -> Any:
    assert said.status_code < 300, said.get_data(as_text=True)
    return json.loads(said.data)["data"]


def words(said: TestResponse) -> str:
    return " ".join(each["detail"] for each in json.loads(said.data)["errors"])


@pytest.fixture
def olga(program: Programs) -> ApiClient:
    return program()


def workspace(client: ApiClient, name: str = "net") -> str:
    return str(data(client.send("POST", ALL, "workspaces", {"name": name}))["id"])


def put(client: ApiClient, at: str, key: str, value: str = "one", **more: Any) -> dict[str, Any]:
    return dict(data(client.send("POST", at, "vars", {"key": key, "value": value, **more})))


def test_a_variable_keeps_its_id_and_a_sensitive_one_its_secret(olga: ApiClient) -> None:
    at = f"/workspaces/{workspace(olga)}/vars"
    made = put(olga, at, "size", '["a"]', hcl=True, category="terraform", description="How large")
    assert made["attributes"]["value"] == '["a"]'
    assert olga.send("POST", at, "vars", {"key": "size", "category": "terraform"}).status_code == 422
    secret = put(olga, at, "AWS_KEY", "s3cret", category="env", sensitive=True)
    assert secret["attributes"]["value"] is None
    one = f"{at}/{made['id']}"
    changed = data(olga.send("PATCH", one, "vars", {"key": "length", "value": None, "hcl": False}))
    about = changed["attributes"]
    assert (changed["id"], about["key"], about["value"], about["hcl"]) == (
        made["id"],
        "length",
        '["a"]',
        False,
    )
    assert data(olga.get(one))["attributes"]["description"] == "How large"
    hidden = f"{at}/{secret['id']}"
    refused = olga.send("PATCH", hidden, "vars", {"sensitive": False})
    assert (refused.status_code, "stays so" in words(refused)) == (422, True)
    assert data(olga.send("PATCH", hidden, "vars", {"description": "x"}))["attributes"]["value"] is None
    assert b"s3cret" not in olga.get(at).data
    assert olga.send("PATCH", one, "vars", {"key": "AWS_KEY", "category": "env"}).status_code == 422
    assert olga.ask("DELETE", one).status_code == 204
    assert olga.get(one).status_code == 404
    assert [each["id"] for each in olga.found(at)["data"]] == [secret["id"]]


@pytest.mark.parametrize(
    "sent",
    [
        {},
        {"key": ""},
        {"key": "a b"},
        {"key": "TF_DATA_DIR", "category": "env"},
        {"key": "a", "category": "policy-set"},
        {"key": "a", "value": 1},
        {"key": "a", "value": "\ud800"},
        {"key": "a", "value": "x" * 300_000},
        {"key": "source"},
    ],
)
def test_wrong_variables_are_422(olga: ApiClient, sent: dict[str, Any]) -> None:
    assert olga.send("POST", f"/workspaces/{workspace(olga)}/vars", "vars", sent).status_code == 422


def test_the_older_addresses_work_too(olga: ApiClient) -> None:
    there = workspace(olga)
    related = {"type": "workspaces", "id": there}
    made = data(olga.send("POST", "/vars", "vars", {"key": "a", "value": "1"}, workspace=related))
    listed = olga.found("/vars?filter[organization][name]=plangate&filter[workspace][name]=net")
    assert [each["id"] for each in listed["data"]] == [made["id"]]
    assert (
        data(olga.send("PATCH", f"/vars/{made['id']}", "vars", {"value": "2"}))["attributes"]["value"] == "2"
    )
    assert olga.ask("DELETE", f"/vars/{made['id']}").status_code == 204
    assert olga.ask("DELETE", f"/vars/{made['id']}").status_code == 404
    assert olga.send("POST", "/vars", "vars", {"key": "a"}).status_code == 422
    assert olga.get("/vars?filter[organization][name]=other&filter[workspace][name]=net").status_code == 404


def test_variables_of_plangate_yml_are_changed_there(world: World, olga: ApiClient) -> None:
    there = world.workspace("app")
    declared = DeclaredVariables(
        {"app": (Variable("region", "eu"),)}, (DeclaredSet("company", everywhere=True),)
    )
    with world.services.store.transaction() as tx:
        declare(tx, declared, world.clock.now())
    at = f"/workspaces/{there.id}/vars"
    (listed,) = olga.found(at)["data"]
    for refused in (
        olga.send("PATCH", f"{at}/{listed['id']}", "vars", {"value": "us"}),
        olga.ask("DELETE", f"{at}/{listed['id']}"),
        olga.send("PATCH", f"/varsets/{olga.found(SETS)['data'][0]['id']}", "varsets", {"global": False}),
    ):
        assert (refused.status_code, "plangate.yml" in words(refused)) == (422, True)


def test_who_may_only_read_changes_no_variable_and_a_limited_token_no_set(
    world: World, program: Programs, olga: ApiClient
) -> None:
    there = world.workspace("app")
    at = f"/workspaces/{there.id}/vars"
    made = put(olga, at, "a")
    group = data(olga.send("POST", SETS, "varsets", {"name": "company", "global": True}))
    rea, wren = program("rea", "admin", Role.READ), program("wren", "admin", Role.ADMIN)
    limited = program("olga", "admin", workspaces=("app",))
    assert rea.get(at).status_code == 200
    assert rea.send("POST", at, "vars", {"key": "b"}).status_code == 404
    assert rea.send("PATCH", f"{at}/{made['id']}", "vars", {"value": "x"}).status_code == 404
    assert rea.ask("DELETE", f"{at}/{made['id']}").status_code == 404
    # An administrator of one repository sees the set, and must not change what others get.
    assert [each["id"] for each in wren.found(SETS)["data"]] == [group["id"]]
    for client in (wren, limited):
        assert (
            client.send("PATCH", f"/varsets/{group['id']}", "varsets", {"priority": True}).status_code == 404
        )
        at_set = f"/varsets/{group['id']}/relationships/vars"
        assert client.send("POST", at_set, "vars", {"key": "a"}).status_code == 404
        assert client.send("POST", SETS, "varsets", {"name": "more"}).status_code == 404
        assert client.ask("DELETE", f"/varsets/{group['id']}").status_code == 404
    # A set that reaches none of theirs does not exist for them.
    elsewhere = data(olga.send("POST", SETS, "varsets", {"name": "elsewhere"}))
    assert wren.get(f"/varsets/{elsewhere['id']}").status_code == 404


def test_a_set_is_made_changed_and_reaches_workspaces(olga: ApiClient) -> None:
    net, app = workspace(olga), workspace(olga, "app")
    inline = {"type": "vars", "attributes": {"key": "region", "value": "eu"}}
    made = data(
        olga.send(
            "POST",
            SETS,
            "varsets",
            {"name": "aws"},
            vars=[inline],
            workspaces=[{"type": "workspaces", "id": net}],
        )
    )
    at = f"/varsets/{made['id']}"
    assert made["attributes"]["var-count"] == 1
    assert [each["id"] for each in made["relationships"]["workspaces"]["data"]] == [net]
    assert olga.send("POST", SETS, "varsets", {"name": "aws"}).status_code == 422
    bad = olga.send("POST", SETS, "varsets", {"name": "bad"}, vars=[{"attributes": {"key": "a b"}}])
    assert bad.status_code == 422
    assert [each["attributes"]["name"] for each in olga.found(f"{SETS}?q=A")["data"]] == ["aws"]
    both = {"data": [{"type": "workspaces", "id": app}]}
    assert olga.ask("POST", f"{at}/relationships/workspaces", both).status_code == 204
    assert [each["id"] for each in olga.found(f"/workspaces/{app}/varsets")["data"]] == [made["id"]]
    assert olga.ask("DELETE", f"{at}/relationships/workspaces", both).status_code == 204
    assert olga.found(f"/workspaces/{app}/varsets")["data"] == []
    # A workspace that gets another name is still reached, and one that is deleted leaves nothing to its heir.
    assert olga.send("PATCH", f"/workspaces/{net}", "workspaces", {"name": "net-2"}).status_code == 200
    shown = olga.found(f"{at}?include=vars,workspaces")
    assert {each["type"] for each in shown["included"]} == {"vars", "workspaces"}
    assert [each["id"] for each in olga.found(f"/workspaces/{net}/varsets")["data"]] == [made["id"]]
    assert olga.ask("DELETE", f"/workspaces/{net}").status_code == 204
    assert olga.found(f"/workspaces/{workspace(olga, 'net-2')}/varsets")["data"] == []
    renamed = data(olga.send("PATCH", at, "varsets", {"name": "cloud", "global": True, "priority": True}))
    assert (renamed["id"], renamed["attributes"]["priority"]) == (made["id"], True)
    refused = olga.ask("POST", f"{at}/relationships/workspaces", both)
    assert (refused.status_code, "every workspace" in words(refused)) == (422, True)
    variable = data(olga.get(f"{at}/relationships/vars"))[0]
    at_one = f"{at}/relationships/vars/{variable['id']}"
    assert data(olga.send("PATCH", at_one, "vars", {"value": "us"}))["attributes"]["value"] == "us"
    assert data(olga.get(at_one))["attributes"]["value"] == "us"
    assert olga.ask("DELETE", at_one).status_code == 204
    assert olga.ask("DELETE", at).status_code == 204
    assert olga.get(at).status_code == 404


def test_all_vars_are_those_that_win(olga: ApiClient) -> None:
    there = workspace(olga)
    for name, about in (
        ("all", {"global": True}),
        ("first", {"global": True, "priority": True}),
    ):
        made = data(olga.send("POST", SETS, "varsets", {"name": name, **about}))
        at = f"/varsets/{made['id']}/relationships/vars"
        put(olga, at, "fixed" if name == "first" else "open", name)
        put(olga, at, f"of-{name}", name)
    for key in ("fixed", "open"):
        put(olga, f"/workspaces/{there}/vars", key, "own")
    found = {each["attributes"]["key"]: each for each in olga.found(f"/workspaces/{there}/all-vars")["data"]}
    values = {key: each["attributes"]["value"] for key, each in found.items()}
    assert values == {"fixed": "first", "of-all": "all", "of-first": "first", "open": "own"}
    assert found["of-all"]["relationships"]["varset"]["data"]["type"] == "varsets"


def test_a_pattern_is_not_undone_by_leaving_out_one_workspace(world: World, olga: ApiClient) -> None:
    net = workspace(olga)
    made = data(olga.send("POST", SETS, "varsets", {"name": "aws"}))
    with world.services.store.transaction() as tx:
        (one,) = tx.variables.sets()
        tx.variables.put_set(type(one)(new_id("varset"), "aws", False, ("ne*",), made_by="olga"))
    at = f"/varsets/{made['id']}/relationships/workspaces"
    refused = olga.ask("DELETE", at, {"data": [{"type": "workspaces", "id": net}]})
    assert (refused.status_code, "change the pattern" in words(refused)) == (422, True)


def test_a_set_reaches_the_workspaces_of_its_projects(olga: ApiClient) -> None:
    project = data(olga.send("POST", "/organizations/plangate/projects", "projects", {"name": "Lab"}))
    link = {"type": "projects", "id": project["id"]}
    sent = {"type": "workspaces", "attributes": {"name": "net"}, "relationships": {"project": {"data": link}}}
    there = data(olga.ask("POST", ALL, {"data": sent}))["id"]
    made = data(olga.send("POST", SETS, "varsets", {"name": "lab"}, projects=[link]))
    assert [each["id"] for each in made["relationships"]["projects"]["data"]] == [project["id"]]
    assert [each["id"] for each in olga.found(f"/workspaces/{there}/varsets")["data"]] == [made["id"]]
    renamed = olga.send("PATCH", f"/projects/{project['id']}", "projects", {"name": "Laboratory"})
    assert renamed.status_code == 200
    assert [each["id"] for each in olga.found(f"/workspaces/{there}/varsets")["data"]] == [made["id"]]
    at = f"/varsets/{made['id']}/relationships/projects"
    assert olga.ask("DELETE", at, {"data": [link]}).status_code == 204
    assert olga.found(f"/workspaces/{there}/varsets")["data"] == []
    assert olga.ask("POST", at, {"data": [link]}).status_code == 204
    default = {"data": [{"type": "projects", "id": "prj-default"}]}
    assert olga.ask("POST", at, default).status_code == 422
    assert olga.found(f"/varsets/{made['id']}?include=projects")["included"][0]["id"] == project["id"]
