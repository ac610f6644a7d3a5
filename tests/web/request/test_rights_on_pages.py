"""What people see who have signed in with the forge: what their role there lets them, nothing of the rest."""

from __future__ import annotations

import pytest
from werkzeug.routing import Rule

from bot.domain.errors import ForgeUnavailable
from bot.domain.events import RepoRef
from bot.domain.people.accounts import Account
from bot.domain.people.permissions import Person, Role
from bot.domain.runs.lifecycle import RunStatus, StageStatus
from bot.domain.runs.run import Run
from bot.services.people.roles import KEPT_FOR
from bot.services.variables.editor import SetVariables, VariableInput
from bot.web.request import guard
from tests.web.conftest import World

OTHER = RepoRef("hub", "acme/secret")


@pytest.fixture
def run(world: World) -> Run:
    return world.run(world.workspace(), status=RunStatus.PLANNED, plan_status=StageStatus.FINISHED)


def pages(run: str, workspace: str = "network") -> tuple[str, ...]:
    return (
        f"/workspaces/{workspace}",
        f"/workspaces/{workspace}/variables",
        f"/workspaces/{workspace}/states",
        f"/workspaces/{workspace}/queue-plan",
        f"/runs/{run}",
        f"/runs/{run}/output/plan",
    )


def test_who_may_read_sees_the_pages_and_no_more_than_that(world: World, run: Run) -> None:
    rea = world.visitor("rea", Role.READ)
    for page in pages(run.id):
        assert rea.get(page).status_code == 200
    assert "network" in rea.get("/").get_data(as_text=True)
    text = rea.get(f"/runs/{run.id}").get_data(as_text=True)
    assert "rea" in text
    assert "Confirm &amp; Apply" not in text


def test_what_somebody_may_not_read_is_not_there_in_the_same_words(world: World, run: Run) -> None:
    sam = world.visitor("sam")
    for page, nowhere in zip(pages(run.id), pages("run-none", "nowhere"), strict=True):
        hidden, missing = sam.get(page), sam.get(nowhere)
        assert (hidden.status_code, missing.status_code) == (404, 404)
        there = hidden.get_data(as_text=True).replace(run.id, "?").replace("named network", "named ?")
        gone = missing.get_data(as_text=True).replace("run-none", "?").replace("named nowhere", "named ?")
        assert there == gone
    text = sam.get("/").get_data(as_text=True)
    assert "network" not in text
    assert run.message not in text


def test_pressing_what_is_hidden_finds_nothing(world: World, run: Run) -> None:
    sam = world.visitor("sam")
    token = world.form_token("/", sam)
    answer = sam.post(f"/runs/{run.id}/confirm", data={"form_token": token})
    assert answer.status_code == 404
    assert world.reload(run).status is RunStatus.PLANNED


def test_a_role_counts_in_its_own_repository(world: World, run: Run) -> None:
    world.workspace("vault", OTHER)
    wren = world.visitor("wren", Role.ADMIN, OTHER)
    text = wren.get("/").get_data(as_text=True)
    assert "vault" in text
    assert "network" not in text
    assert wren.get(f"/runs/{run.id}").status_code == 404


def test_a_role_that_was_taken_away_counts_for_a_minute_more(world: World, run: Run) -> None:
    wren = world.visitor("wren", Role.WRITE)
    token = world.form_token(f"/runs/{run.id}", wren)
    world.forge.set_role(OTHER, "wren", Role.NONE)
    world.forge.set_role(world.workspace().repo, "wren", Role.NONE)
    assert wren.get(f"/runs/{run.id}").status_code == 200
    world.clock.pass_by(KEPT_FOR)
    assert wren.get(f"/runs/{run.id}").status_code == 404
    assert wren.post(f"/runs/{run.id}/confirm", data={"form_token": token}).status_code == 404
    assert world.reload(run).status is RunStatus.PLANNED


def test_without_an_answer_of_the_forge_nothing_is_shown_and_the_reason_is(world: World, run: Run) -> None:
    wren = world.visitor("wren", Role.WRITE)
    world.forge.fail(ForgeUnavailable("hub does not answer"), times=9)
    answer = wren.get(f"/runs/{run.id}")
    assert answer.status_code == 503
    text = answer.get_data(as_text=True)
    assert "Hub does not say what you may do" in text
    assert run.message not in text
    assert "acme/infra" not in text
    text = wren.get("/").get_data(as_text=True)
    assert "network" not in text


def test_an_owner_by_the_settings_sees_everything_also_without_the_forge(world: World, run: Run) -> None:
    olga = world.visitor("Olga")
    world.forge.fail(ForgeUnavailable("hub does not answer"), times=9)
    for page in (*pages(run.id), "/", "/deliveries"):
        assert olga.get(page).status_code == 200
    assert "Confirm &amp; Apply" in olga.get(f"/runs/{run.id}").get_data(as_text=True)


def test_a_login_of_another_forge_is_somebody_else(world: World, run: Run) -> None:
    world.forge.set_role(world.workspace().repo, "wren", Role.WRITE)
    for forge in ("lab", "HUB"):
        client = world.stranger()
        client.set_cookie("plangate_session", world.services.sessions.begin(Account(forge, "wren")))
        assert client.get(f"/runs/{run.id}").status_code == 404


def test_sets_are_seen_where_they_reach_a_workspace_that_is(world: World, run: Run) -> None:
    desk, owner = world.services.variables, Person("olga", Role.OWNER)
    for name, reaches in (("for-network", ["net*"]), ("for-vault", ["vault"])):
        desk.put_set(name, owner, workspaces=reaches)
        desk.put(SetVariables(name), VariableInput("region", value=f"value-of-{name}"), owner)
    rea = world.visitor("rea", Role.READ)
    text = rea.get("/variable-sets").get_data(as_text=True)
    assert "for-network" in text
    assert "for-vault" not in text
    assert rea.get("/variable-sets/for-network").status_code == 200
    hidden, missing = rea.get("/variable-sets/for-vault"), rea.get("/variable-sets/nothing")
    assert hidden.status_code == missing.status_code == 404
    assert "value-of" not in hidden.get_data(as_text=True)


def test_pages_of_everything_are_for_owners(world: World) -> None:
    rea = world.visitor("rea", Role.ADMIN)
    assert rea.get("/deliveries").status_code == 403


# Every address there is


def rules(world: World) -> list[Rule]:
    # The API has a gate of its own: tests/web/api/test_gate.py.
    views = world.app.url_map.iter_rules()
    return [
        each for each in views if each.endpoint not in guard.OPEN and not each.endpoint.startswith("api.")
    ]


def test_no_address_lets_a_stranger_by(world: World, run: Run) -> None:
    stranger = world.stranger()
    for rule in rules(world):
        values = {name: run.id if name == "run_id" else "network" for name in rule.arguments}
        path = world.app.url_map.bind("localhost").build(rule.endpoint, values, append_unknown=False)
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}:
            answer = stranger.open(path, method=method)
            said = answer.get_data(as_text=True)
            assert answer.status_code == (303 if method == "GET" else 403), (rule, method)
            assert run.message not in said
            if method == "GET":
                assert answer.headers["Location"].startswith("/sign-in")


def test_every_address_is_of_a_repository_or_is_said_to_be_of_none(world: World) -> None:
    def of_a_repository(rule: Rule) -> bool:
        return bool({"run_id", "change_id"} & rule.arguments) or rule.rule.startswith(
            "/workspaces/<path:name>"
        )

    rest = {rule.endpoint for rule in rules(world) if not of_a_repository(rule)}
    assert rest - guard.EVERYBODYS == {
        "deliveries.show",
        "deliveries.redeliver",
        "tokens.end_sessions",
        "notifications.show",
        "notifications.test",
    }, "these are for owners alone"
    assert {rule.endpoint for rule in world.app.url_map.iter_rules()} >= guard.EVERYBODYS | guard.OPEN


def test_no_form_counts_without_the_token_of_its_page(world: World, run: Run) -> None:
    for rule in rules(world):
        if "POST" not in (rule.methods or ()):
            continue
        values = {name: run.id if name == "run_id" else "network" for name in rule.arguments}
        path = world.app.url_map.bind("localhost").build(rule.endpoint, values, append_unknown=False)
        answer = world.client.post(path, data={"form_token": "0" * 64})
        assert answer.status_code == 403, rule
        assert "reload the page" in answer.get_data(as_text=True)
