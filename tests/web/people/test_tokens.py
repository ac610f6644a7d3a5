"""Tokens of people's programs: what they lend, until when, what is kept of them, and what they are told."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from bot.domain.errors import ForgeUnavailable
from bot.domain.people.accounts import Account
from bot.domain.people.audit import AuditAction, AuditEntry, AuditResult
from bot.domain.people.origins import Via
from bot.domain.people.permissions import Person, Role
from bot.domain.plans.plan import Counts
from bot.domain.runs.lifecycle import RunStatus, StageStatus
from bot.domain.runs.run import Run
from bot.services.ports import AuditQuery
from bot.web.request import guard
from tests.web.conftest import World

WREN = Account("hub", "wren")
DAY = timedelta(days=1)


@pytest.fixture
def run(world: World) -> Run:
    return world.run(
        world.workspace(),
        status=RunStatus.PLANNED,
        plan_status=StageStatus.FINISHED,
        has_changes=True,
        counts=Counts(1, 2, 3),
    )


def make(
    world: World,
    scope: str = "write",
    role: Role = Role.WRITE,
    account: Account = WREN,
    name: str = "ci",
    days: int = 90,
) -> str:
    world.forge.set_role(world.workspace().repo, account.login, role)
    return world.services.tokens.make(account, Person(account.login, Role.NONE), name, scope, days)


def bearer(secret: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {secret}"}


def ask(world: World, method: str, path: str, secret: str, **data: Any) -> TestResponse:
    return world.stranger().open(path, method=method, headers=bearer(secret), data=data)


def lines(world: World) -> Sequence[AuditEntry]:
    with world.services.store.reading() as tx:
        return tx.audit.find(AuditQuery())


# What a token lends

NEEDED = {"read": 1, "plan": 2, "write": 3}
WISHES = {"confirm": 3, "discard": 3, "cancel": 3, "comment": 2}


@pytest.mark.parametrize("wish", WISHES)
@pytest.mark.parametrize("scope", NEEDED)
@pytest.mark.parametrize("role", [Role.READ, Role.PLAN, Role.WRITE, Role.ADMIN])
def test_it_lends_the_lesser_of_its_scope_and_the_persons_role(
    world: World, run: Run, wish: str, scope: str, role: Role
) -> None:
    secret = make(world, scope, role)
    answer = ask(world, "POST", f"/runs/{run.id}/{wish}", secret, comment="by a program")
    if min(NEEDED[scope], role) < WISHES[wish]:
        assert answer.status_code == 403
        assert "access" in answer.get_json()["error"]
        assert world.reload(run).status is RunStatus.PLANNED
    elif wish == "cancel":
        # A plan that waits for a person is discarded: there is nothing to stop.
        assert answer.status_code == 409
        assert "discard" in answer.get_json()["error"]
    else:
        assert answer.status_code == 202
        assert answer.get_json()["data"]["id"] == run.id
    assert "Set-Cookie" not in answer.headers


@pytest.mark.parametrize(("scope", "status"), [("read", 403), ("plan", 202), ("write", 202)])
def test_a_plan_is_queued_with_a_token_that_may(world: World, run: Run, scope: str, status: int) -> None:
    secret = make(world, scope)
    answer = ask(world, "POST", "/workspaces/network/queue-plan", secret, plan_only="on", message="From CI")
    assert answer.status_code == status
    if status == 202:
        said = answer.get_json()["data"]["attributes"]
        assert (said["message"], said["plan-only"], said["created-by"]) == ("From CI", True, "wren")


def test_an_owners_token_lends_no_more_than_its_scope(world: World, run: Run) -> None:
    secret = make(world, "read", account=Account("hub", "olga"))
    assert ask(world, "GET", f"/runs/{run.id}", secret).status_code == 200
    assert ask(world, "POST", f"/runs/{run.id}/confirm", secret).status_code == 403
    assert world.reload(run).status is RunStatus.PLANNED


def test_what_the_person_may_not_read_is_not_there_for_their_program(world: World, run: Run) -> None:
    secret = make(world, role=Role.NONE)
    for method, path in (("GET", f"/runs/{run.id}"), ("POST", f"/runs/{run.id}/confirm")):
        answer = ask(world, method, path, secret)
        assert (answer.status_code, answer.json) == (404, {"error": f"there is no run {run.id}"})
    assert ask(world, "GET", "/", secret).get_json()["data"] == []


def test_every_address_but_those_for_programs_is_closed_to_tokens(world: World, run: Run) -> None:
    secret = make(world, "admin", account=Account("hub", "olga"))
    for rule in world.app.url_map.iter_rules():
        # The API is for programs: tests/web/api.
        if rule.endpoint in guard.OPEN | guard.PROGRAMS.keys() or rule.endpoint.startswith("api."):
            continue
        values = {name: run.id if name == "run_id" else "network" for name in rule.arguments}
        path = world.app.url_map.bind("localhost").build(rule.endpoint, values, append_unknown=False)
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}:
            answer = ask(world, method, path, secret, name="another", scope="write", days="9")
            assert answer.status_code == 403, (rule, method)
            assert "sign in" in answer.get_json()["error"]
    assert [token.name for token in world.services.tokens.of(Account("hub", "olga"))] == ["ci"]
    override = ask(world, "POST", f"/runs/{run.id}/override", secret, comment="because")
    assert (override.status_code, "sign in" in override.get_json()["error"]) == (403, True)


def test_the_local_administrators_token_is_good_on_the_machine_alone(world: World, run: Run) -> None:
    secret = make(world, account=Account("", "alice"))
    assert ask(world, "GET", f"/runs/{run.id}", secret).status_code == 200
    far = {"environ_overrides": {"REMOTE_ADDR": "192.0.2.7"}}
    answer = world.stranger().get(f"/runs/{run.id}", headers=bearer(secret), **far)
    assert answer.status_code == 401


# Until when


def refused(world: World, secret: str, why: str) -> None:
    answer = ask(world, "GET", "/", secret)
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"] == "Bearer"
    assert why in answer.get_json()["error"]


def test_an_expired_a_revoked_and_a_wrong_one_get_nothing_and_are_told_why(world: World) -> None:
    secret = make(world, days=1)
    assert ask(world, "GET", "/", secret).status_code == 200
    world.clock.pass_by(DAY)
    refused(world, secret, "expired on 2026-11-25")
    other = make(world)
    [token] = [
        each for each in world.services.tokens.of(WREN) if each.revoked_at is None and each.used_at is None
    ]
    world.services.tokens.revoke(WREN, Person("wren", Role.NONE), token.id)
    refused(world, other, "was revoked")
    for wrong in ("", "plangate_", "plangate_" + "a" * 43, other[:-1], "x" * 5000, "\xe4"):
        refused(world, wrong, "does not exist")


def test_a_token_stands_for_itself_whoever_is_signed_in_beside_it(world: World, run: Run) -> None:
    both = world.client.post(f"/runs/{run.id}/confirm", headers=bearer("plangate_wrong"))
    assert both.status_code == 401
    answer = world.client.post(f"/runs/{run.id}/confirm", headers=bearer(make(world, "read")))
    assert answer.status_code == 403
    assert world.reload(run).status is RunStatus.PLANNED


def test_who_is_signed_in_needs_the_forms_token_also_where_json_is_asked_for(world: World, run: Run) -> None:
    wren = world.visitor("wren", Role.WRITE)
    accept = {"Accept": "application/json"}
    answer = wren.post(f"/runs/{run.id}/confirm", headers=accept)
    assert (answer.status_code, "reload the page" in answer.get_json()["error"]) == (403, True)
    form = {"form_token": world.form_token(f"/runs/{run.id}", wren)}
    assert wren.post(f"/runs/{run.id}/confirm", headers=accept, data=form).status_code == 202


def test_a_stranger_who_asks_for_json_is_told_to_send_a_token(world: World) -> None:
    answer = world.stranger().get("/", headers={"Accept": "application/json"})
    assert (answer.status_code, answer.headers["WWW-Authenticate"]) == (401, "Bearer")
    assert "plangate_..." in answer.get_json()["error"]


@pytest.mark.parametrize(
    "accept", ["text/html,application/xhtml+xml,*/*;q=0.8", "*/*", "", "text/event-stream"]
)
def test_a_browser_gets_pages(world: World, accept: str) -> None:
    assert world.client.get("/", headers={"Accept": accept}).mimetype == "text/html"


# What is kept


def test_the_database_has_no_secret(world: World) -> None:
    secret = make(world)
    engine = sa.create_engine(f"sqlite:///{world.database}")
    with engine.connect() as connection:
        [row] = connection.execute(sa.text("SELECT * FROM tokens")).mappings()
        driver = connection.connection.driver_connection
        assert driver is not None
        kept = "\n".join(driver.iterdump())
    engine.dispose()
    assert re.fullmatch("[0-9a-f]{64}", row["hash"])
    assert secret.removeprefix("plangate_") not in kept


def test_its_use_is_noted_once_a_minute_at_most(world: World) -> None:
    secret, clock = make(world), world.clock
    first = clock.now()
    for later, noted in ((0, 0), (59, 0), (1, 60)):
        clock.pass_by(timedelta(seconds=later))
        assert ask(world, "GET", "/", secret).status_code == 200
        assert world.services.tokens.of(WREN)[0].used_at == first + timedelta(seconds=noted)


def test_what_programs_do_is_noted_with_the_tokens_name(world: World, run: Run) -> None:
    secret = make(world, "write")
    ask(world, "POST", f"/runs/{run.id}/confirm", secret)
    done, made = lines(world)[:2]
    assert (done.deed, done.login, done.via, done.token) == (AuditAction.APPLY, "wren", Via.TOKEN, "ci")
    assert (made.deed, made.subject, made.detail) == (AuditAction.MAKE_TOKEN, "ci", "write, for 90 days")
    assert "with the token ci" in world.client.get("/activity").get_data(as_text=True)


def test_what_programs_are_refused_is_noted_too(world: World, run: Run) -> None:
    secret = make(world, "read")
    ask(world, "POST", f"/runs/{run.id}/confirm", secret)
    ask(world, "POST", "/workspaces/network/lock", secret)
    for line in lines(world)[:2]:
        assert (line.ending, line.via, line.token) == (AuditResult.REFUSED, Via.TOKEN, "ci")


# What programs are told


def test_a_run_in_json(world: World, run: Run) -> None:
    secret = make(world, "write")
    said = ask(world, "GET", f"/runs/{run.id}", secret).get_json()["data"]
    assert (said["id"], said["type"]) == (run.id, "runs")
    about = said["attributes"]
    assert about["status"] == "planned"
    assert about["awaits"] == "confirmation"
    assert [about[f"resource-{each}"] for each in ("additions", "changes", "destructions")] == [1, 2, 3]
    assert about["commit"] == run.commit
    assert about["actions"]["is-confirmable"] is True
    assert about["actions"]["is-retryable"] is False
    assert said["links"]["html"] == f"http://plangate.example.com/runs/{run.id}"
    confirmed = ask(world, "POST", said["links"]["confirm"], secret)
    assert confirmed.get_json()["data"]["attributes"]["confirmed-by"] == "wren"
    again = ask(world, "POST", said["links"]["confirm"], secret)
    assert again.status_code == 202, "twice is as good as once"


def test_a_retry_that_is_sent_twice_makes_one_run(world: World) -> None:
    failed = world.run(world.workspace(), status=RunStatus.ERRORED)
    secret = make(world)
    made = [ask(world, "POST", f"/runs/{failed.id}/retry", secret, once="build-7") for _ in range(2)]
    assert [answer.status_code for answer in made] == [202, 202]
    assert made[0].get_json()["data"]["id"] == made[1].get_json()["data"]["id"] != failed.id


def test_a_run_tells_a_reader_of_no_action(world: World, run: Run) -> None:
    said = ask(world, "GET", f"/runs/{run.id}", make(world, "read")).get_json()["data"]
    assert not any(said["attributes"]["actions"].values())
    assert not {"confirm", "discard", "comment"} & set(said["links"])


def test_workspaces_and_their_runs_in_json(world: World, run: Run) -> None:
    secret = make(world, "read")
    [workspace] = ask(world, "GET", "/", secret).get_json()["data"]
    assert workspace["attributes"]["name"] == "network"
    assert workspace["attributes"]["vcs-repo"]["identifier"] == "acme/infra"
    assert workspace["relationships"]["current-run"]["data"]["id"] == run.id
    [listed] = ask(world, "GET", workspace["links"]["self"], secret).get_json()["data"]
    assert listed == ask(world, "GET", f"/runs/{run.id}", secret).get_json()["data"]
    assert ask(world, "GET", "/?show=errored", secret).get_json()["data"] == []


def test_a_workspace_without_runs_and_the_second_part_of_many(world: World) -> None:
    place, secret = world.workspace(), make(world, "read")
    [workspace] = ask(world, "GET", "/", secret).get_json()["data"]
    assert workspace["relationships"]["current-run"]["data"] is None
    for _ in range(51):
        world.run(place)
    first = ask(world, "GET", "/workspaces/network", secret).get_json()
    assert (len(first["data"]), first["meta"]["pagination"]["next-page"]) == (50, 2)
    second = ask(world, "GET", "/workspaces/network?page=2", secret).get_json()
    assert (len(second["data"]), second["meta"]["pagination"]["next-page"]) == (1, None)
    assert first["data"][0]["attributes"]["awaits"].startswith("51st in the queue, behind run-")


def test_what_can_not_be_is_said_in_json(world: World, run: Run) -> None:
    secret = make(world, "write")
    ask(world, "POST", f"/runs/{run.id}/discard", secret)
    late = ask(world, "POST", f"/runs/{run.id}/confirm", secret)
    assert (late.status_code, "discarded" in late.get_json()["error"]) == (409, True)
    assert ask(world, "POST", f"/runs/{run.id}/comment", secret).status_code == 400
    assert ask(world, "GET", "/runs/run-none", secret).json == {"error": "there is no run run-none"}
    assert ask(world, "POST", f"/runs/{run.id}/fly", secret).status_code == 404
    assert ask(world, "DELETE", f"/runs/{run.id}", secret).status_code == 405


def test_a_forge_that_does_not_answer_is_said_in_json(world: World, run: Run) -> None:
    secret = make(world)
    world.forge.fail(ForgeUnavailable("hub does not answer"), times=9)
    answer = ask(world, "GET", f"/runs/{run.id}", secret)
    assert (answer.status_code, "does not say" in answer.get_json()["error"]) == (503, True)


# The page


def make_by_form(world: World, client: FlaskClient, **form: Any) -> TestResponse:
    data = {"form_token": world.form_token("/tokens", client), "name": "ci", "scope": "plan", "days": "30"}
    return client.post("/tokens", data=data | form)


def test_a_token_is_made_shown_once_and_revoked(world: World, run: Run) -> None:
    wren = world.visitor("wren", Role.WRITE)
    assert "You have no tokens" in wren.get("/tokens").get_data(as_text=True)
    answer = make_by_form(world, wren)
    [secret] = re.findall(r"plangate_[\w-]{43}", answer.get_data(as_text=True))
    assert answer.headers["Cache-Control"] == "no-store"
    assert ask(world, "GET", f"/runs/{run.id}", secret).status_code == 200
    page = wren.get("/tokens").get_data(as_text=True)
    assert secret not in page
    assert "until 2026-12-24" in page
    [path] = re.findall(r'action="(/tokens/tok-\w+/revoke)"', page)
    form = {"form_token": world.form_token("/tokens", wren)}
    eve = world.visitor("eve", Role.WRITE)
    assert eve.post(path, data={"form_token": world.form_token("/tokens", eve)}).status_code == 404
    assert wren.post(path).status_code == 403
    for _ in range(2):
        assert wren.post(path, data=form).status_code == 303
    refused(world, secret, "was revoked")
    assert "Revoked" in wren.get("/tokens").get_data(as_text=True)
    assert [line.deed for line in lines(world)].count(AuditAction.REVOKE_TOKEN) == 1


@pytest.mark.parametrize(
    ("form", "status", "why"),
    [
        ({"name": " "}, 400, "1 to 60 characters"),
        ({"name": "a" * 61}, 400, "1 to 60 characters"),
        ({"name": "a\x00b"}, 400, "1 to 60 characters"),
        ({"scope": "owner"}, 400, "read, plan, write, admin"),
        ({"days": "366"}, 400, "1 to 365 days"),
        ({"days": "0"}, 400, "1 to 365 days"),
        ({"days": "-1"}, 400, "1 to 365 days"),
        ({"days": "9" * 5000}, 400, "1 to 365 days"),
        ({"name": "there"}, 409, "named there already"),
    ],
)
def test_what_is_wrong_in_the_form_is_said_and_nothing_made(
    world: World, form: dict[str, str], status: int, why: str
) -> None:
    wren = world.visitor("wren", Role.WRITE)
    assert make_by_form(world, wren, name="there").status_code == 200
    answer = make_by_form(world, wren, **form)
    assert (answer.status_code, why in answer.get_data(as_text=True)) == (status, True)
    assert len(world.services.tokens.of(WREN)) == 1


def test_everybody_sees_their_own_only_and_a_login_taken_over_has_none(world: World) -> None:
    make(world)
    assert world.services.tokens.of(Account("hub", "WREN"))
    for other in (Account("hub", "eve"), Account("lab", "wren"), Account("hub", "wren", "7")):
        assert list(world.services.tokens.of(other)) == []


def test_what_ended_long_ago_is_forgotten(world: World) -> None:
    make(world, name="old", days=1)
    world.clock.pass_by(timedelta(days=32))
    make(world, name="new")
    assert [token.name for token in world.services.tokens.of(WREN)] == ["new"]


def test_owners_see_everybodys_tokens_and_revoke_them_and_nobody_else_does(world: World, run: Run) -> None:
    secret = make(world)
    [token] = world.services.tokens.of(Account("hub", "wren"))
    rea, olga = world.visitor("rea", Role.ADMIN), world.visitor("olga")
    page = rea.get("/tokens").get_data(as_text=True)
    assert "Everybody's tokens" not in page and token.id not in page

    def revoke(client: FlaskClient) -> int:
        form = {"form_token": world.form_token("/tokens", client)}
        return client.post(f"/tokens/{token.id}/revoke", data=form).status_code

    assert revoke(rea) == 404
    assert ask(world, "GET", "/", secret).status_code == 200
    page = olga.get("/tokens").get_data(as_text=True).partition("Everybody's tokens")[2]
    assert "<strong>ci</strong> of wren on hub" in page
    assert revoke(olga) == 303
    assert "revoked" in ask(world, "GET", "/", secret).get_json()["error"]
    assert "No active tokens." in olga.get("/tokens").get_data(as_text=True)
    with world.services.store.reading() as tx:
        line = tx.audit.find(AuditQuery(deed="revoke token"))[0]
    assert (line.login, line.subject, line.detail) == ("olga", "ci", "of wren on hub")


def limited(world: World, *patterns: Any, scope: Any = "write") -> Any:
    account = WREN
    world.forge.set_role(world.workspace().repo, account.login, Role.WRITE)
    person = Person(account.login, Role.NONE)
    return world.services.tokens.make(account, person, "one", scope, 90, patterns)


def test_a_token_that_is_limited_is_good_for_its_workspaces_only(world: World) -> None:
    network, dns = world.workspace("network"), world.workspace("dns")
    runs = {place.name: world.run(place, status=RunStatus.PLANNED) for place in (network, dns)}
    secret = limited(world, "net*")
    assert ask(world, "GET", "/workspaces/network", secret).status_code == 200
    assert ask(world, "GET", f"/runs/{runs['network'].id}", secret).status_code == 200
    for path in ("/workspaces/dns", f"/runs/{runs['dns'].id}", f"/runs/{runs['dns'].id}/output/plan"):
        answer, none = ask(world, "GET", path, secret), ask(world, "GET", "/workspaces/nowhere", secret)
        assert (answer.status_code, none.status_code) == (404, 404)
    assert ask(world, "POST", f"/runs/{runs['dns'].id}/discard", secret).status_code == 404
    assert ask(world, "POST", f"/runs/{runs['network'].id}/discard", secret).status_code == 202
    listed = ask(world, "GET", "/", secret).get_data(as_text=True)
    assert "network" in listed
    assert "dns" not in listed


def test_an_owners_token_is_limited_too(world: World) -> None:
    world.workspace("network"), world.workspace("dns")
    secret = world.services.tokens.make(
        Account("hub", "olga"), Person("olga", Role.OWNER), "one", "read", 90, ["network"]
    )
    assert ask(world, "GET", "/workspaces/network", secret).status_code == 200
    assert ask(world, "GET", "/workspaces/dns", secret).status_code == 404


def test_the_form_limits_a_token_and_says_which_pattern_is_wrong(world: World) -> None:
    world.workspace("network")
    fields = {"name": "ci", "scope": "read", "days": "30", "form_token": world.form_token("/tokens")}
    refused = world.client.post("/tokens", data={**fields, "workspaces": "net work/../x"})
    assert refused.status_code == 400
    done = world.client.post("/tokens", data={**fields, "workspaces": "network, dns-*"})
    assert done.status_code == 200
    assert "only network, dns-*" in world.client.get("/tokens").get_data(as_text=True)
