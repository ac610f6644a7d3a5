"""Signing in with a forge, both kinds: there, the choice of who one is, and back to the very browser."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from bot.domain.errors import ForgeRefused, ForgeUnavailable, Invalid
from bot.domain.people.accounts import Account
from bot.domain.people.permissions import Role
from bot.forges import oauth
from bot.forges.github.kind import endpoints as github
from bot.forges.gitlab.kind import endpoints as gitlab
from bot.forges.oauth import Endpoints
from bot.playground.server import Playground
from bot.services.people.forge_sign_in import LASTS, ForgeSignIn
from bot.web import create_app
from tests.web.conftest import World

KINDS = ("github", "gitlab")
COOKIE = "plangate_begun"


@pytest.fixture(scope="module")
def forge(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Playground]:
    with Playground(tmp_path_factory.mktemp("forge")) as running:
        for login in ("ana", "ben"):
            running.forge.add_user(login)
        for kind in KINDS:
            running.oauth.register(f"client-{kind}", "hush", callback(kind))
        yield running
        running.forge.faults.clear()


def callback(kind: str) -> str:
    return f"http://plangate.example.com/sign-in/{kind}/callback"


def endpoints(kind: str, url: str) -> Endpoints:
    return gitlab(url) if kind == "gitlab" else github(url, f"{url}/api/v3")


@dataclass
class Visit:
    """A browser at Plangate and at the forge."""

    client: FlaskClient
    kind: str
    world: World

    def leave(self, wanted: str = "") -> str:
        """Press the button, and return where it leads."""
        query = f"?next={wanted}" if wanted else ""
        sent = self.client.get(f"/sign-in/{self.kind}{query}")
        assert sent.status_code == 303
        return sent.headers["Location"]

    def choose(self, address: str, login: str) -> str:
        """Say who one is on the forge's page, and return where it leads."""
        page = httpx.get(address)
        assert page.status_code == 200, page.text
        form = dict(re.findall(r'name="(\w+)" value="([^"]*)"', page.text.partition("<div")[0]))
        answer = httpx.post(address.partition("?")[0], data={**form, "user": login})
        assert answer.status_code == 303
        return answer.headers["location"]

    def back(self, address: str) -> TestResponse:
        parts = urlsplit(address)
        assert parts.netloc == "plangate.example.com"
        return self.client.get(f"{parts.path}?{parts.query}")


@pytest.fixture(params=KINDS)
def visit(request: pytest.FixtureRequest, world: World, forge: Playground) -> Visit:
    kind = request.param
    forge.forge.faults.clear()
    way = oauth.OAuthSignIn("hub", endpoints(kind, forge.url), f"client-{kind}", "hush")
    services = world.services
    ways = ForgeSignIn({kind: way}, services.vault, services.clock, "http://plangate.example.com")
    return Visit(create_app(replace(services, forge_sign_in=ways)).test_client(), kind, world)


def test_whoever_comes_back_is_signed_in_and_sees_what_they_wanted(visit: Visit) -> None:
    run = visit.world.run(visit.world.workspace())
    visit.world.forge.set_role(visit.world.workspace().repo, "ana", Role.READ)
    sent = visit.client.get(f"/runs/{run.id}")
    form = visit.client.get(sent.headers["Location"]).get_data(as_text=True)
    href = re.search(rf'href="(/sign-in/{visit.kind}\?next=[^"]*)"', form)
    assert href is not None
    leaving = visit.client.get(href[1]).headers["Location"]
    answer = visit.back(visit.choose(leaving, "ana"))
    assert (answer.status_code, answer.headers["Location"]) == (303, f"/runs/{run.id}")
    page = visit.client.get(f"/runs/{run.id}").get_data(as_text=True)
    assert run.message in page
    assert "ana" in page
    token = visit.world.cookie(client=visit.client)
    holder = visit.world.services.sessions.holder(token)
    assert holder is not None
    assert (holder.forge, holder.login) == ("hub", "ana")
    assert holder.uid.isdigit()
    assert visit.client.get_cookie(COOKIE) is None


def test_what_goes_to_the_forge_is_a_challenge_and_no_secret(visit: Visit) -> None:
    query = parse_qs(urlsplit(visit.leave()).query)
    assert query["code_challenge_method"] == ["S256"]
    assert len(query["code_challenge"][0]) == 43
    assert query["redirect_uri"] == [callback(visit.kind)]
    assert query["response_type"] == ["code"]
    assert len(query["state"][0]) >= 30
    assert query.get("scope") == (["read_user"] if visit.kind == "gitlab" else None)
    cookie = visit.client.get_cookie(COOKIE)
    assert cookie is not None
    assert cookie.http_only
    assert query["state"][0] not in cookie.value


def test_saying_no_is_told_and_nobody_is_signed_in(visit: Visit) -> None:
    answer = visit.back(visit.choose(visit.leave(), ""))
    assert (answer.status_code, "plangate_session" in str(answer.headers)) == (403, False)
    assert "declined at" in answer.get_data(as_text=True)


def test_another_browser_can_not_finish_what_one_began(visit: Visit) -> None:
    address = visit.choose(visit.leave(), "ben")
    other = Visit(visit.client.application.test_client(), visit.kind, visit.world)
    answer = other.back(address)
    assert answer.status_code == 400
    assert "another browser" in answer.get_data(as_text=True)
    other.leave()
    assert other.back(address).status_code == 400, "its own beginning does not fit either"


def test_a_state_that_was_changed_or_a_seal_that_is_not_ours_counts_for_nothing(visit: Visit) -> None:
    address = visit.choose(visit.leave(), "ana")
    changed = re.sub(r"state=[^&]+", "state=%C3%A9", address)
    assert visit.back(changed).status_code == 400
    visit.client.set_cookie(COOKIE, "x" * 50)
    assert visit.back(address).status_code == 400


def test_who_takes_too_long_begins_again(visit: Visit) -> None:
    address = visit.choose(visit.leave(), "ana")
    visit.world.clock.pass_by(LASTS + timedelta(seconds=1))
    answer = visit.back(address)
    assert (answer.status_code, "started in another browser, or too long ago" in answer.text) == (400, True)


def test_a_code_counts_once(visit: Visit) -> None:
    address = visit.choose(visit.leave(), "ana")
    sealed = visit.world.cookie(COOKIE, visit.client)
    assert visit.back(address).status_code == 303
    visit.client.set_cookie(COOKIE, sealed)
    answer = visit.back(address)
    assert (answer.status_code, "used before" in answer.text) == (400, True)


def test_a_forge_that_is_down_is_said_to_be(visit: Visit, forge: Playground) -> None:
    address = visit.choose(visit.leave(), "ana")
    forge.forge.faults.add("POST", "access_token|oauth/token", 502)
    answer = visit.back(address)
    assert (answer.status_code, "failed (502)" in answer.text) == (503, True)
    assert visit.client.get("/").status_code == 303
    address = visit.choose(visit.leave(), "ana")
    forge.forge.faults.add("GET", "/user$", 503)
    answer = visit.back(address)
    assert (answer.status_code, "failed (503)" in answer.text) == (503, True)


def test_an_answer_that_is_none_is_no_persons(visit: Visit, forge: Playground) -> None:
    address = visit.choose(visit.leave(), "ana")
    forge.forge.faults.add("GET", "/user$", 200, body={"id": 7})
    answer = visit.back(address)
    assert (answer.status_code, "unknown shape" in answer.text) == (503, True)


def test_a_wrong_secret_is_for_whoever_runs_the_server_to_mend(visit: Visit, forge: Playground) -> None:
    way = oauth.OAuthSignIn("hub", endpoints(visit.kind, forge.url), f"client-{visit.kind}", "wrong")
    leaving = way.begin(callback(visit.kind))
    code = parse_qs(urlsplit(visit.choose(leaving.url, "ana")).query)["code"][0]
    with pytest.raises(ForgeRefused, match="does not accept this Plangate: in") as caught:
        way.finish(callback(visit.kind), code, leaving.verifier)
    assert "wrong" not in str(caught.value)


def test_another_verifier_does_not_fit(visit: Visit, forge: Playground) -> None:
    way = oauth.OAuthSignIn("hub", endpoints(visit.kind, forge.url), f"client-{visit.kind}", "hush")
    leaving = way.begin(callback(visit.kind))
    code = parse_qs(urlsplit(visit.choose(leaving.url, "ana")).query)["code"][0]
    with pytest.raises(Invalid, match="used before"):
        way.finish(callback(visit.kind), code, way.begin(callback(visit.kind)).verifier)


def test_a_forge_that_does_not_listen_is_unavailable(visit: Visit) -> None:
    way = oauth.OAuthSignIn("hub", endpoints(visit.kind, "http://127.0.0.1:1"), "id", "hush")
    with pytest.raises(ForgeUnavailable, match="cannot be reached: ConnectError"):
        way.finish(callback(visit.kind), "code", "verifier")


def test_a_blocked_account_does_not_get_in(visit: Visit, forge: Playground) -> None:
    address = visit.choose(visit.leave(), "ana")
    body = {"id": 7, "login": "ana", "username": "ana", "state": "blocked"}
    forge.forge.faults.add("GET", "/user$", 200, body=body)
    assert visit.back(address).status_code == 403


def test_the_sign_in_page_offers_the_forge_to_everybody_and_the_password_here_alone(visit: Visit) -> None:
    from_elsewhere = {"environ_base": {"REMOTE_ADDR": "192.0.2.7"}}
    title = {"github": "GitHub", "gitlab": "GitLab"}[visit.kind]
    here = visit.client.get("/sign-in").get_data(as_text=True)
    there = visit.client.get("/sign-in", **from_elsewhere).get_data(as_text=True)
    assert f"Sign in with {title}" in here and f"Sign in with {title}" in there
    assert 'type="password"' in here
    assert 'type="password"' not in there
    answer = visit.client.post("/sign-in", data={"password": visit.world.password}, **from_elsewhere)
    assert answer.status_code == 403


def test_an_unknown_forge_is_not_there(visit: Visit) -> None:
    assert visit.client.get("/sign-in/nowhere").status_code == 404
    assert visit.client.get("/sign-in/nowhere/callback").status_code == 404


def test_a_person_of_one_forge_is_not_the_local_administrator_of_that_name(visit: Visit) -> None:
    token = visit.world.services.sessions.begin(Account("hub", "alice"))
    client = visit.client
    client.set_cookie("plangate_session", token)
    assert client.get("/deliveries").status_code == 403


@pytest.mark.parametrize(
    ("at", "authorize", "user"),
    [
        (
            github("https://github.com", "https://api.github.com"),
            "https://github.com/login/oauth/authorize",
            "https://api.github.com/user",
        ),
        (
            github("https://git.example.com", "https://git.example.com/api/v3"),
            "https://git.example.com/login/oauth/authorize",
            "https://git.example.com/api/v3/user",
        ),
        (
            gitlab("https://example.com/git/lab"),
            "https://example.com/git/lab/oauth/authorize",
            "https://example.com/git/lab/api/v4/user",
        ),
    ],
)
def test_addresses_follow_from_the_forges_own(at: Endpoints, authorize: str, user: str) -> None:
    assert (at.authorize, at.user) == (authorize, user)
