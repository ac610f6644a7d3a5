"""`terraform login`: a person lets a program in. Each way in for somebody else is closed."""

from __future__ import annotations

import base64
import hashlib
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from bot.domain.people.accounts import Account
from bot.domain.people.tokens import Scope
from bot.services.people.program_login import LASTS, TOKEN_LASTS
from tests.web.conftest import World

VERIFIER = "a-secret-of-the-program-" + "x" * 30
CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).decode().rstrip("=")
BACK = "http://localhost:10003/login"


def asked(**changes: str) -> str:
    about = {
        "client_id": "terraform-cli",
        "response_type": "code",
        "redirect_uri": BACK,
        "code_challenge": CHALLENGE,
        "code_challenge_method": "S256",
        "state": "of-the-cli",
    }
    return "/oauth/authorize?" + urlencode({**about, **changes})


@pytest.fixture
def wren(world: World) -> FlaskClient:
    return world.visitor("wren")


def answer(world: World, browser: FlaskClient, choice: str = "allow", **form: str) -> dict[str, list[str]]:
    """Answer the question, and return what the browser takes to the program."""
    token = world.form_token(asked(), browser)
    said = browser.post(asked(), data={"form_token": token, "answer": choice, "scope": "write", **form})
    assert said.status_code == 303, said.get_data(as_text=True)
    where = urlsplit(said.headers["Location"])
    assert f"{where.scheme}://{where.netloc}{where.path}" == BACK
    return parse_qs(where.query)


def exchange(world: World, code: str, **changes: str) -> TestResponse:
    form = {
        "grant_type": "authorization_code",
        "code": code,
        "client_id": "terraform-cli",
        "redirect_uri": BACK,
        "code_verifier": VERIFIER,
    }
    return world.stranger().post("/oauth/token", data={**form, **changes})


def test_a_person_lets_the_cli_in_and_it_gets_a_token(world: World, wren: FlaskClient) -> None:
    login = world.stranger().get("/.well-known/terraform.json").get_json()["login.v1"]
    assert (login["authz"], login["token"], login["ports"]) == (
        "/oauth/authorize",
        "/oauth/token",
        [10000, 10010],
    )
    page = wren.get(asked())
    assert "localhost:10003" in page.get_data(as_text=True)
    assert "form-action 'self' http://localhost:10003;" in page.headers["Content-Security-Policy"]
    taken = answer(world, wren)
    assert taken["state"] == ["of-the-cli"]
    said = exchange(world, taken["code"][0])
    assert said.status_code == 200
    assert said.headers["Cache-Control"] == "no-store"
    found = said.get_json()
    assert found["token_type"] == "bearer"
    headers = {"Authorization": f"Bearer {found['access_token']}"}
    account = world.stranger().get("/api/v2/account/details", headers=headers).get_json(force=True)
    assert account["data"]["attributes"]["username"] == "wren"
    (token,) = world.services.tokens.of(Account("hub", "wren"))
    assert (token.scope, token.expires_at - token.created_at) == (Scope.WRITE, TOKEN_LASTS)
    assert token.name.startswith("terraform login 2026-11-24 12:00")


def test_a_no_goes_back_to_the_program_without_a_code(world: World, wren: FlaskClient) -> None:
    assert answer(world, wren, "deny") == {"error": ["access_denied"], "state": ["of-the-cli"]}


@pytest.mark.parametrize(
    "changes",
    [
        {"redirect_uri": "http://evil.example.com/login"},
        {"redirect_uri": "http://localhost:10011/login"},
        {"redirect_uri": "http://localhost:9999/login"},
        {"redirect_uri": "http://localhost:80/login"},
        {"redirect_uri": "https://localhost:10003/login"},
        {"redirect_uri": "http://127.0.0.1:10003/login"},
        {"redirect_uri": "http://localhost:10003/login?next=x"},
        {"redirect_uri": "http://localhost:10003/login\n"},
        {"redirect_uri": "http://localhost:10003@evil.example.com/login"},
        {"redirect_uri": "http://localhost.evil.example.com:10003/login"},
        {"redirect_uri": ""},
        {"client_id": "another"},
        {"response_type": "token"},
        {"code_challenge_method": "plain"},
        {"code_challenge_method": ""},
        {"code_challenge": ""},
        {"code_challenge": "short"},
        {"state": "x" * 513},
        {"state": "a\r\nb"},
    ],
)
def test_a_wrong_request_is_refused_here_and_leads_nowhere(
    world: World, wren: FlaskClient, changes: dict[str, str]
) -> None:
    shown = wren.get(asked(**changes))
    assert (shown.status_code, "Location" in shown.headers) == (400, False)
    token = world.form_token(asked(), wren)
    sent = wren.post(asked(**changes), data={"form_token": token, "answer": "allow", "scope": "write"})
    assert (sent.status_code, "Location" in sent.headers) == (400, False)


def test_a_parameter_that_is_given_twice_does_not_count(wren: FlaskClient) -> None:
    twice = asked() + "&" + urlencode({"redirect_uri": "http://evil.example.com/login"})
    assert wren.get(twice).status_code == 400


def test_nobody_is_asked_without_a_session_and_nothing_is_allowed_without_our_form(
    world: World, wren: FlaskClient
) -> None:
    first = world.stranger().get(asked())
    assert (first.status_code, first.headers["Location"].partition("?")[0]) == (303, "/sign-in")
    assert "%2Foauth%2Fauthorize" in first.headers["Location"]
    form = {"answer": "allow", "scope": "write"}
    assert wren.post(asked(), data=form).status_code == 403
    assert wren.post(asked(), data={**form, "form_token": "0" * 64}).status_code == 403
    theirs = world.form_token(asked(), world.visitor("sam"))
    assert wren.post(asked(), data={**form, "form_token": theirs}).status_code == 403
    ours = {**form, "form_token": world.form_token(asked(), wren)}
    foreign = wren.post(asked(), data=ours, headers={"Origin": "https://evil.example.com"})
    assert foreign.status_code == 403
    secret = exchange(world, answer(world, wren)["code"][0]).get_json()["access_token"]
    headers = {"Authorization": f"Bearer {secret}"}
    assert world.stranger().post(asked(), data=form, headers=headers).status_code == 403


@pytest.mark.parametrize(
    "changes",
    [
        {"code_verifier": "another-secret-" + "x" * 40},
        {"code_verifier": CHALLENGE},
        {"code_verifier": ""},
        {"code_verifier": "x" * 129},
        {"redirect_uri": "http://localhost:10004/login"},
        {"client_id": "another"},
    ],
)
def test_a_code_is_spent_by_a_wrong_try(world: World, wren: FlaskClient, changes: dict[str, str]) -> None:
    code = answer(world, wren)["code"][0]
    refused = exchange(world, code, **changes)
    assert (refused.status_code, refused.get_json()["error"]) == (400, "invalid_grant")
    assert exchange(world, code).status_code == 400
    assert world.services.tokens.of(Account("hub", "wren")) == []


def test_a_code_is_good_once_and_for_minutes(world: World, wren: FlaskClient) -> None:
    code = answer(world, wren)["code"][0]
    assert exchange(world, code).status_code == 200
    assert exchange(world, code).get_json()["error"] == "invalid_grant"
    late = answer(world, wren)["code"][0]
    world.clock.pass_by(LASTS + timedelta(seconds=1))
    assert exchange(world, late).get_json()["error"] == "invalid_grant"
    assert exchange(world, "unknown").get_json()["error"] == "invalid_grant"
    assert len(world.services.tokens.of(Account("hub", "wren"))) == 1


@pytest.mark.parametrize("form", [{}, {"grant_type": "password"}, {"grant_type": "authorization_code"}])
def test_an_incomplete_exchange_is_400(world: World, form: dict[str, Any]) -> None:
    said = world.stranger().post("/oauth/token", data=form)
    assert said.status_code == 400
    assert said.get_json()["error"] in ("unsupported_grant_type", "invalid_request")


@pytest.mark.parametrize("scope", ["", "owner", "everything"])
def test_a_person_can_choose_only_known_scopes(world: World, wren: FlaskClient, scope: str) -> None:
    token = world.form_token(asked(), wren)
    form = {"form_token": token, "answer": "allow", "scope": scope}
    assert wren.post(asked(), data=form).status_code == 400


def test_the_code_is_not_in_the_database(world: World, wren: FlaskClient) -> None:
    code = answer(world, wren)["code"][0]
    everything = world.database.read_bytes() if world.database.exists() else b""
    wal = world.database.with_name(world.database.name + "-wal")
    everything += wal.read_bytes() if wal.exists() else b""
    assert CHALLENGE.encode() in everything
    assert code.encode() not in everything


def test_the_address_that_the_cli_opens_for_a_token_leads_to_the_page(world: World) -> None:
    said = world.stranger().get("/app/settings/tokens?source=terraform-login")
    assert (said.status_code, said.headers["Location"]) == (302, "/tokens")
