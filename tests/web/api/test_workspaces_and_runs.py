"""Workspaces and runs as clients of the API make and see them."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from werkzeug.test import TestResponse

from bot.domain.people.permissions import Person, Role
from bot.services.ports import StateVersion
from bot.services.variables.sync import sync
from bot.web.api.signed import GOOD_FOR
from tests.web.api.conftest import ApiClient
from tests.web.conftest import World

Programs = Callable[..., ApiClient]

ALL = "/organizations/plangate/workspaces"


@pytest.fixture
def olga(program: Programs) -> ApiClient:
    return program()


def data(said: TestResponse) -> dict[str, Any]:
    assert said.status_code < 300, said.get_data(as_text=True)
    return dict(json.loads(said.data)["data"])


def make(client: ApiClient, name: str = "net", **attributes: Any) -> dict[str, Any]:
    sent = {key.replace("_", "-"): value for key, value in attributes.items()}
    return data(client.send("POST", ALL, "workspaces", {"name": name, **sent}))


def words(said: TestResponse) -> str:
    return " ".join(each["detail"] for each in json.loads(said.data)["errors"])


def upload(client: ApiClient, workspace: str, body: bytes = b"an archive", **attributes: Any) -> str:
    """Upload a configuration as the CLI does: without a run of its own, and without the token."""
    sent = {"auto-queue-runs": False, **{key.replace("_", "-"): each for key, each in attributes.items()}}
    path = f"/workspaces/{workspace}/configuration-versions"
    version = data(client.send("POST", path, "configuration-versions", sent))
    assert version["attributes"]["status"] == "pending"
    assert put(client.world, version, body).status_code == 200
    return str(version["id"])


def put(world: World, version: dict[str, Any], body: bytes) -> TestResponse:
    url = version["attributes"]["upload-url"]
    assert url.startswith("http://plangate.example.com/api/v2/")
    return world.stranger().put(url.removeprefix("http://plangate.example.com"), data=body)


def start(client: ApiClient, workspace: str, version: str, **attributes: Any) -> TestResponse:
    return client.send(
        "POST",
        "/runs",
        "runs",
        {key.replace("_", "-"): value for key, value in attributes.items()},
        workspace={"type": "workspaces", "id": workspace},
        configuration_version={"type": "configuration-versions", "id": version},
    )


def test_a_workspace_is_made_read_changed_and_deleted(olga: ApiClient) -> None:
    made = make(olga, auto_apply=True, vcs_repo={}, description=None)
    assert made["attributes"]["vcs-repo"] is None
    assert made["attributes"]["auto-apply"] is True
    assert made["attributes"]["terraform-version"] == "latest"
    assert made["attributes"]["permissions"]["can-queue-apply"] is True
    assert made["relationships"]["organization"]["data"]["id"] == "plangate"
    assert data(olga.get(f"{ALL}/net"))["id"] == made["id"]
    at = f"/workspaces/{made['id']}"
    changed = data(olga.send("PATCH", at, "workspaces", {"name": "net-2", "working-directory": "a/b/"}))
    assert (changed["attributes"]["name"], changed["attributes"]["working-directory"]) == ("net-2", "a/b")
    assert olga.get(f"{ALL}/net").status_code == 404
    assert olga.ask("DELETE", at).status_code == 204
    assert olga.get(at).status_code == 404
    # Its name is free again, and the next one has nothing of it.
    assert make(olga, "net-2")["id"] != made["id"]


@pytest.mark.parametrize("name", ["", "a b", "x" * 91, "a/b", "~"])
def test_wrong_and_taken_names_are_422(olga: ApiClient, name: str) -> None:
    assert olga.send("POST", ALL, "workspaces", {"name": name}).status_code == 422
    make(olga)
    assert olga.send("POST", ALL, "workspaces", {"name": "net"}).status_code == 422


def test_rights_come_from_the_forge_with_a_repository_and_from_the_organization_without(
    world: World, program: Programs, olga: ApiClient
) -> None:
    wren = program("wren", "admin", Role.ADMIN)
    mine, theirs = world.workspace("app"), make(olga)
    assert [each["attributes"]["name"] for each in wren.found(ALL)["data"]] == ["app", "network"]
    assert wren.get(f"/workspaces/{theirs['id']}").status_code == 404
    assert wren.ask("DELETE", f"/workspaces/{theirs['id']}").status_code == 404
    assert wren.send("POST", ALL, "workspaces", {"name": "x"}).status_code == 404
    seen = data(wren.get(f"/workspaces/{mine.id}"))
    assert seen["attributes"]["vcs-repo"]["identifier"] == "acme/infra"
    # What plangate.yml says is changed there.
    refused = wren.send("PATCH", f"/workspaces/{mine.id}", "workspaces", {"auto-apply": True})
    assert (refused.status_code, "plangate.yml" in words(refused)) == (422, True)


def test_a_token_reaches_only_its_workspaces_and_lends_only_its_scope(
    program: Programs, olga: ApiClient
) -> None:
    made, other = make(olga), make(olga, "other")
    limited = program("olga", "read", workspaces=("net",))
    assert [each["id"] for each in limited.found(ALL)["data"]] == [made["id"]]
    assert limited.get(f"/workspaces/{other['id']}").status_code == 404
    assert data(limited.get(f"/workspaces/{made['id']}"))["attributes"]["permissions"]["can-lock"] is False
    assert limited.ask("POST", f"/workspaces/{made['id']}/actions/lock", {}).status_code == 404


def test_sync_never_retires_what_the_api_made(world: World, olga: ApiClient) -> None:
    made = make(olga)
    world.workspace("of-the-file")
    done = sync(world.services.store, world.clock.now(), (), ())
    assert "net" not in done.retired
    assert "of-the-file" in done.retired
    assert olga.get(f"/workspaces/{made['id']}").status_code == 200


def test_lists_are_searched_sorted_and_paged(olga: ApiClient) -> None:
    for name in ("app-a", "app-b", "net"):
        make(olga, name)
    assert [
        each["attributes"]["name"] for each in olga.found(f"{ALL}?search[name]=APP&sort=-name")["data"]
    ] == [
        "app-b",
        "app-a",
    ]
    second = olga.found(f"{ALL}?page[size]=2&page[number]=2")
    assert [each["attributes"]["name"] for each in second["data"]] == ["net"]
    assert second["meta"]["pagination"]["total-count"] == 3
    none = olga.found(f"{ALL}?search[name]=nothing")
    assert none["data"] == []
    assert none["meta"]["pagination"]["total-pages"] == none["meta"]["pagination"]["current-page"] == 1
    assert olga.get(f"{ALL}?page[size]=x").status_code == 400
    refused = olga.get(f"{ALL}?include=nothing")
    assert (refused.status_code, "Invalid include parameter" in words(refused)) == (400, True)


def test_tags_are_names_and_keys_with_values(olga: ApiClient) -> None:
    given = {"type": "tags", "attributes": {"name": "prod"}}
    bound = {"type": "tag-bindings", "attributes": {"key": "env", "value": "live"}}
    made = data(olga.send("POST", ALL, "workspaces", {"name": "net"}, tags=[given], tag_bindings=[bound]))
    at = f"/workspaces/{made['id']}"
    assert made["attributes"]["tag-names"] == ["prod"]
    assert olga.found(f"{at}/tag-bindings")["data"][0]["attributes"] == {"key": "env", "value": "live"}
    assert (
        olga.ask("POST", f"{at}/relationships/tags", {"data": [{"attributes": {"name": "eu"}}]}).status_code
        == 204
    )
    patched = olga.ask(
        "PATCH", f"{at}/tag-bindings", {"data": [{"attributes": {"key": "team", "value": "a"}}]}
    )
    assert len(json.loads(patched.data)["data"]) == 2
    make(olga, "other")
    for query in ("search[tags]=prod,eu", "filter[tagged][0][key]=env&filter[tagged][0][value]=live"):
        assert [each["id"] for each in olga.found(f"{ALL}?{query}")["data"]] == [made["id"]]
    assert olga.found(f"{ALL}?filter[tagged][0][key]=env&filter[tagged][0][value]=test")["data"] == []
    gone = olga.ask("DELETE", f"{at}/relationships/tags", {"data": [{"type": "tags", "id": "prod"}]})
    assert gone.status_code == 204
    assert data(olga.get(at))["attributes"]["tag-names"] == ["eu"]


def test_locks_speak_the_words_that_clients_look_for(world: World, olga: ApiClient) -> None:
    made = make(olga)
    at = f"/workspaces/{made['id']}/actions"
    assert (
        data(olga.ask("POST", f"{at}/lock", {"reason": "Locked by Terraform"}))["attributes"]["locked"]
        is True
    )
    assert olga.ask("POST", f"{at}/lock", {}).status_code == 409
    assert olga.ask("POST", f"{at}/unlock", {}).status_code == 200
    assert olga.ask("POST", f"{at}/unlock").status_code == 409
    world.services.workspace_locks.lock("net", Person("ben", Role.WRITE), "mine")
    refused = olga.ask("POST", f"{at}/unlock", {})
    assert (refused.status_code, "is locked by User" in words(refused)) == (409, True)
    assert olga.ask("POST", f"{at}/force-unlock").status_code == 200


def test_safe_delete_is_refused_while_resources_are_managed(world: World, olga: ApiClient) -> None:
    made = make(olga)
    state = {"resources": [{"mode": "managed", "instances": [{}]}], "serial": 1, "lineage": "l"}
    raw = json.dumps(state).encode()
    with world.services.store.transaction() as tx:
        tx.states.add(StateVersion("sv-1", made["id"], "", 1, "l", "m", world.clock.now(), len(raw)), raw)
    safe = f"{ALL}/net/actions/safe-delete"
    assert olga.ask("POST", safe).status_code == 409
    assert olga.ask("DELETE", f"{ALL}/net").status_code == 204


def test_an_upload_is_taken_once_at_its_signed_address(world: World, olga: ApiClient) -> None:
    made = make(olga)
    path = f"/workspaces/{made['id']}/configuration-versions"
    sent = {"auto-queue-runs": False}
    version = data(olga.send("POST", path, "configuration-versions", sent))
    assert put(world, version, b"bytes").status_code == 200
    assert put(world, version, b"others").status_code == 404
    shown = data(olga.get(f"/configuration-versions/{version['id']}"))
    assert (shown["attributes"]["status"], "upload-url" in shown["attributes"]) == ("uploaded", False)
    assert olga.get(f"/configuration-versions/{version['id']}/download").data == b"bytes"
    other = data(olga.send("POST", path, "configuration-versions", sent))
    forged = version["attributes"]["upload-url"].replace(version["id"], other["id"])
    assert (
        world.stranger().put(forged.removeprefix("http://plangate.example.com"), data=b"x").status_code == 404
    )
    limit = world.services.config.organization.upload_limit
    too_large = put(world, other, bytes(limit + 1))
    assert (too_large.status_code, "64 MB" in words(too_large)) == (413, True)


def test_an_upload_queues_a_run_unless_the_client_says_no(world: World, olga: ApiClient) -> None:
    made = make(olga)
    version = data(
        olga.send("POST", f"/workspaces/{made['id']}/configuration-versions", "configuration-versions", {})
    )
    assert put(world, version, b"bytes").status_code == 200
    runs = olga.found(f"/workspaces/{made['id']}/runs")["data"]
    assert [run["relationships"]["configuration-version"]["data"]["id"] for run in runs] == [version["id"]]


def test_a_run_is_made_of_an_upload_and_waits_in_its_queue(world: World, olga: ApiClient) -> None:
    made = make(olga)
    version = upload(olga, made["id"])
    run = data(start(olga, made["id"], version, message="by hand", is_destroy=True, refresh=False))
    about = run["attributes"]
    assert (about["status"], about["plan-only"], about["is-destroy"], about["refresh"]) == (
        "pending",
        False,
        True,
        False,
    )
    assert run["relationships"]["configuration-version"]["data"]["id"] == version
    assert run["id"] in world.dispatch.woken
    second = data(start(olga, made["id"], version))
    assert second["attributes"]["position-in-queue"] == 1
    shown = olga.found(f"/runs/{run['id']}?include=workspace,plan,task_stages")
    assert {each["type"] for each in shown["included"]} == {"workspaces", "plans"}
    assert shown["data"]["relationships"]["workspace"]["data"]["id"] == made["id"]
    assert [each["id"] for each in olga.found("/organizations/plangate/runs/queue")["data"]] == [
        run["id"],
        second["id"],
    ]
    assert olga.found("/organizations/plangate/capacity")["data"]["attributes"] == {
        "pending": 2,
        "running": 0,
    }
    assert olga.found(f"/runs/{run['id']}/run-events")["data"][0]["attributes"]["action"] == "pending"
    assert (
        data(olga.get(f"/workspaces/{made['id']}"))["relationships"]["current-run"]["data"]["id"] == run["id"]
    )
    speculative = upload(olga, made["id"], speculative=True)
    assert data(start(olga, made["id"], speculative))["attributes"]["plan-only"] is True


def test_actions_answer_202_and_409_at_the_wrong_moment(world: World, olga: ApiClient) -> None:
    made = make(olga)
    run = data(start(olga, made["id"], upload(olga, made["id"])))
    at = f"/runs/{run['id']}/actions"
    assert olga.ask("POST", f"{at}/apply", {"comment": None}).status_code == 409
    assert olga.ask("POST", f"{at}/force-cancel").status_code == 409
    assert olga.ask("POST", f"{at}/cancel", {"comment": "no"}).status_code == 202
    assert olga.ask("POST", f"{at}/cancel").status_code == 409
    assert olga.ask("POST", f"{at}/discard").status_code == 409
    assert data(olga.get(f"/runs/{run['id']}"))["attributes"]["status"] == "canceled"


def test_a_run_without_workspace_or_configuration_is_422_and_a_hidden_one_404(
    program: Programs, olga: ApiClient
) -> None:
    made = make(olga)
    assert olga.send("POST", "/runs", "runs", {}).status_code == 422
    assert start(olga, made["id"], "").status_code == 422
    assert start(olga, made["id"], "cv-nothing").status_code == 404
    assert start(olga, made["id"], upload(olga, made["id"]), terraform_version="1.0.0").status_code == 422
    assert start(program("wren"), made["id"], "").status_code == 404


def test_logs_are_read_by_bytes_between_stx_and_etx_at_a_signed_address(
    world: World, olga: ApiClient
) -> None:
    made = make(olga)
    run = data(start(olga, made["id"], upload(olga, made["id"])))
    body = run["id"].removeprefix("run-")
    url = data(olga.get(f"/plans/plan-{body}"))["attributes"]["log-read-url"]
    path = url.removeprefix("http://plangate.example.com")

    def read(offset: int, limit: int = 65536, at: str = path) -> bytes:
        return bytes(world.stranger().get(f"{at}?limit={limit}&offset={offset}").data)

    assert (read(0), read(1)) == (b"\x02", b"")
    with world.services.store.transaction() as tx:
        tx.artifacts.append_output(run["id"], "plan", "größe\n")
    text = "größe\n".encode()
    assert read(0) == b"\x02" + text
    assert read(3, 2) == text[2:4]
    assert olga.ask("POST", f"/runs/{run['id']}/actions/cancel").status_code == 202
    assert read(0) == b"\x02" + text + b"\nThe run was canceled.\n\x03"
    assert read(10_000) == b""
    assert world.stranger().get(path.replace("/plan", "/apply")).status_code == 404
    applied = data(olga.get(f"/applies/apply-{body}"))["attributes"]
    assert applied["status"] == "unreachable"
    log = read(0, at=applied["log-read-url"].removeprefix("http://plangate.example.com"))
    assert log.count(b"\n") == 3
    world.clock.pass_by(GOOD_FOR * 2)
    assert world.stranger().get(path).status_code == 404


def test_the_current_state_and_its_outputs_are_read_without_secrets(world: World, olga: ApiClient) -> None:
    made = make(olga)
    at = f"/workspaces/{made['id']}"
    assert olga.get(f"{at}/current-state-version").status_code == 404
    assert olga.found(f"{at}/current-state-version-outputs")["data"] == []
    outputs = {
        "name": {"value": "net", "type": "string"},
        "secret": {"value": "s3cret", "type": "string", "sensitive": True},
    }
    raw = json.dumps({"outputs": outputs, "serial": 3, "lineage": "l"}).encode()
    with world.services.store.transaction() as tx:
        tx.states.add(StateVersion("sv-1", made["id"], "", 3, "l", "m", world.clock.now(), len(raw)), raw)
    version = data(olga.get(f"{at}/current-state-version"))
    assert version["attributes"]["serial"] == 3
    url = version["attributes"]["hosted-state-download-url"].partition("/api/v2")[2]
    assert olga.get(url).data == raw
    shown = olga.get(f"{at}/current-state-version-outputs")
    assert b"s3cret" not in shown.data
    assert [each["attributes"]["value"] for each in json.loads(shown.data)["data"]] == ["net", None]
    assert json.loads(shown.data)["data"][0]["attributes"]["detailed-type"] == "string"


def test_pages_show_workspaces_without_a_repository_and_their_runs(world: World, olga: ApiClient) -> None:
    made = make(olga)
    run = data(start(olga, made["id"], upload(olga, made["id"])))
    owner = world.visitor("olga")
    pages = (
        "/",
        "/workspaces/net",
        "/workspaces/net/variables",
        "/workspaces/net/states",
        "/activity",
        "/search",
    )
    for page in (
        *pages,
        "/workspaces/net/settings",
        "/workspaces/net/queue-plan",
        "/estate",
        f"/runs/{run['id']}",
    ):
        said = owner.get(page)
        assert said.status_code in (200, 404, 303), (page, said.status_code)
    for page in ("/", "/workspaces/net", f"/runs/{run['id']}"):
        assert owner.get(page).status_code == 200, page
    stranger = world.visitor("sam")
    assert stranger.get(f"/runs/{run['id']}").status_code == 404


def test_a_destroy_run_applies_by_itself_only_if_the_client_asks_for_it(
    olga: ApiClient, world: World
) -> None:
    made = make(olga, auto_apply=True)
    version = upload(olga, made["id"])
    asked: tuple[dict[str, bool], ...] = (
        {},
        {"is_destroy": True},
        {"is_destroy": True, "auto_apply": True},
        {"auto_apply": False},
    )
    runs = [data(start(olga, made["id"], version, **attributes))["id"] for attributes in asked]
    with world.services.store.reading() as tx:
        assert [tx.runs.get(each).applies_by_itself for each in runs] == [True, False, True, False]


def test_a_cli_whose_version_the_workers_lack_makes_a_workspace_with_theirs(olga: ApiClient) -> None:
    sent = {"data": {"type": "workspaces", "attributes": {"name": "net", "terraform-version": "0.99.1"}}}
    assert olga.ask("POST", ALL, sent).status_code == 422
    made = data(olga.ask("POST", ALL, sent, environ_overrides={"HTTP_TERRAFORM_VERSION": "0.99.1"}))
    assert made["attributes"]["terraform-version"] == "latest"


@pytest.mark.parametrize(
    ("path", "page"),
    [
        ("/app/plangate/net", "/workspaces/net"),
        ("/app/plangate/net/variables", "/workspaces/net/variables"),
        ("/app/plangate/net/states", "/workspaces/net/states"),
        ("/app/plangate/net/settings", "/workspaces/net"),
    ],
)
def test_addresses_that_the_cli_prints_lead_to_pages(world: World, path: str, page: str) -> None:
    said = world.stranger().get(path)
    assert (said.status_code, said.headers["Location"]) == (302, page)
