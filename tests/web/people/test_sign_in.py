"""Signing in: the password alone does it, for half a day, and nothing of it goes where it may be read."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import timedelta
from threading import BoundedSemaphore

import pytest

from bot.domain.people.audit import AuditAction
from bot.domain.people.permissions import Role
from bot.domain.runs.lifecycle import RunStatus, StageStatus
from bot.domain.runs.run import Run
from bot.services.people import local_sign_in as signing
from bot.services.ports import AuditQuery
from bot.vault import FernetVault, generate_key
from bot.web import create_app
from bot.web.people import sign_in as page
from bot.web.people.sign_in import local_path
from tests.web.conftest import World


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Counts the waits instead of sitting through them."""
    counted: list[float] = []
    monkeypatch.setattr("bot.web.people.sign_in.time.sleep", counted.append)
    return counted


@pytest.fixture
def run(world: World) -> Run:
    return world.run(world.workspace(), status=RunStatus.PLANNED, plan_status=StageStatus.FINISHED)


def test_from_this_machine_alone_nothing_can_be_done(world: World, run: Run) -> None:
    """What a change's code could try: it shares the network, and so comes from the loopback address."""
    thief = world.stranger()
    for path in ("/", f"/runs/{run.id}", "/deliveries"):
        answer = thief.get(path)
        assert (answer.status_code, run.message in answer.get_data(as_text=True)) == (303, False)
    assert thief.post(f"/runs/{run.id}/confirm", data={"form_token": "0" * 64}).status_code == 403
    assert world.reload(run).status is RunStatus.PLANNED


def test_signing_in_leads_back_to_where_one_came_from(world: World, run: Run) -> None:
    browser = world.stranger()
    sent = browser.get(f"/runs/{run.id}?x=1&y=2")
    assert sent.headers["Location"] == f"/sign-in?next=%2Fruns%2F{run.id}%3Fx%3D1%26y%3D2"
    form = browser.get(sent.headers["Location"]).get_data(as_text=True)
    wanted = f"/runs/{run.id}?x=1&y=2"
    assert f'name="next" value="{wanted.replace("&", "&amp;")}"' in form
    answer = world.sign_in(browser, next=wanted)
    assert (answer.status_code, answer.headers["Location"]) == (303, wanted)
    assert run.message in browser.get(wanted).get_data(as_text=True)
    assert browser.get("/").status_code == 200


def test_the_session_is_hidden_from_scripts_and_found_by_links_from_elsewhere(world: World) -> None:
    [plain] = world.sign_in(world.stranger()).headers.getlist("Set-Cookie")
    assert "plangate_session=" in plain
    assert "HttpOnly" in plain
    assert "SameSite=Lax" in plain
    assert "Max-Age=604800" in plain
    assert "Secure" not in plain


def test_where_people_come_by_https_the_cookie_never_travels_without_and_nobody_else_can_set_it(
    world: World,
) -> None:
    addresses = replace(world.services.addresses, public="https://plangate.example.com")
    client = create_app(replace(world.services, addresses=addresses)).test_client()
    # A proxy speaks plain HTTP to us: what counts is how people reach it.
    [cookie] = world.sign_in(client).headers.getlist("Set-Cookie")
    assert cookie.startswith("__Host-plangate_session=")
    assert "Secure" in cookie and "Path=/" in cookie and "Domain" not in cookie
    assert client.get("/", base_url="https://localhost").status_code == 200


def test_a_session_ends_when_it_is_not_used(world: World) -> None:
    for _ in range(3):
        world.clock.pass_by(timedelta(hours=12) - timedelta(seconds=1))
        assert world.client.get("/").status_code == 200
    world.clock.pass_by(timedelta(hours=12))
    assert world.client.get("/").status_code == 303
    late = world.client.post("/runs/run-x/confirm")
    assert (late.status_code, "sign in, go back" in late.get_data(as_text=True)) == (403, True)


def test_a_session_ends_after_its_time_however_much_it_is_used(world: World) -> None:
    for _ in range(7 * 24 - 1):
        world.clock.pass_by(timedelta(hours=1))
        assert world.client.get("/healthz").status_code == 200
        assert world.services.sessions.holder(world.cookie())
    world.clock.pass_by(timedelta(hours=1))
    assert world.client.get("/").status_code == 303


def test_signing_in_again_ends_the_session_before(world: World) -> None:
    before = world.cookie()
    world.sign_in()
    after = world.cookie()
    assert before != after
    thief = world.stranger()
    thief.set_cookie("plangate_session", before)
    assert thief.get("/").status_code == 303
    assert world.client.get("/").status_code == 200


def test_the_database_does_not_tell_what_the_browser_has(world: World) -> None:
    held = world.cookie()
    path = world.database
    written = b"".join(each.read_bytes() for each in path.parent.glob(f"{path.name}*"))
    assert b"alice" in written
    assert held.encode() not in written


@pytest.mark.parametrize("wrong", ["", "hunter2", "é", "x" * 5000])
def test_a_wrong_password_waits_and_gets_nowhere(
    world: World, waits: list[float], caplog: pytest.LogCaptureFixture, wrong: str
) -> None:
    browser = world.stranger()
    answer = browser.post("/sign-in", data={"password": wrong, "next": "/deliveries"})
    text = answer.get_data(as_text=True)
    assert (answer.status_code, waits) == (403, [page.PAUSE])
    assert "Run plangate sign-in to see it" in text
    assert 'value="/deliveries"' in text
    assert "Set-Cookie" not in answer.headers
    assert browser.get("/").status_code == 303
    assert "a wrong password" in caplog.text
    assert not wrong or wrong not in caplog.text


def test_many_wrong_ones_keep_no_thread_waiting_and_nobody_out(
    world: World, waits: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    places = BoundedSemaphore(1)
    monkeypatch.setattr("bot.web.people.sign_in._PLACES", places)
    with places:
        assert world.stranger().post("/sign-in", data={"password": "wrong"}).status_code == 429
        assert waits == []
        assert world.sign_in(world.stranger()).status_code == 303


def test_a_page_from_elsewhere_can_sign_nobody_in(world: World, waits: list[float]) -> None:
    form = {"password": world.password}
    answer = world.stranger().post("/sign-in", data=form, headers={"Origin": "https://evil.example"})
    assert (answer.status_code, "Set-Cookie" in answer.headers) == (403, False)


@pytest.mark.parametrize(
    "stranger",
    [
        {"environ_base": {"REMOTE_ADDR": "192.0.2.7"}},
        {"headers": {"X-Forwarded-For": "127.0.0.1"}},
        {"headers": {"Host": "rebound.example.net"}},
    ],
    ids=str,
)
def test_from_elsewhere_the_right_password_does_not_help(
    world: World, stranger: dict[str, dict[str, str]]
) -> None:
    for answer in (
        world.stranger().get("/sign-in", **stranger),
        world.stranger().post("/sign-in", data={"password": world.password}, **stranger),
    ):
        assert (answer.status_code, "Set-Cookie" in answer.headers) == (403, False)


def test_signing_out(world: World) -> None:
    token = world.form_token("/")
    assert world.client.post("/sign-out", data={"form_token": "0" * 64}).status_code == 403
    assert world.client.get("/").status_code == 200
    held = world.cookie()
    assert world.client.post("/sign-out", data={"form_token": token}).headers["Location"] == "/sign-in"
    assert world.client.get("/").status_code == 303
    thief = world.stranger()
    thief.set_cookie("plangate_session", held)
    assert thief.get("/").status_code == 303, "the session is over, not only the cookie gone"


def test_the_password_is_in_no_page_and_the_script_takes_it_from_the_fragment(world: World) -> None:
    browser = world.stranger()
    for path in ("/sign-in", "/", "/static/sign-in.js"):
        assert world.password not in browser.get(path, follow_redirects=True).get_data(as_text=True)
    assert "/static/sign-in.js" in browser.get("/sign-in").get_data(as_text=True)
    assert "location.hash" in browser.get("/static/sign-in.js").get_data(as_text=True)


# Passwords themselves


def test_the_password_is_long_and_this_installations_own() -> None:
    vault = FernetVault([generate_key()])
    password = signing.password(vault)
    assert password == signing.password(vault)
    assert password != signing.password(FernetVault([generate_key()]))
    letters = password.replace("-", "")
    assert len(letters) * 5 >= 100
    assert letters.isalnum() and letters.islower()
    address = signing.address("http://127.0.0.1:8000", vault)
    assert address == f"http://127.0.0.1:8000/sign-in#{password}"
    for copied in (f" {password}\n", password.upper(), letters, address):
        assert signing.fits(vault, copied)
    for other in (password[:-1], password + "a", "", "#"):
        assert not signing.fits(vault, other)


@pytest.mark.parametrize(
    "wanted",
    [
        "",
        "//evil.example",
        "/\\evil.example",
        "https://evil.example",
        "evil",
        "/\t/evil.example",
        "/\n/evil.example",
        "/sign-out",
        "/é",
    ],
)
def test_next_leads_nowhere_else(wanted: str) -> None:
    assert local_path(wanted) == "/"
    assert local_path("/runs/run-x?page=2") == "/runs/run-x?page=2"


def test_an_owner_ends_every_session_of_a_person(world: World) -> None:
    repo = world.workspace().repo
    wren, again, ann = (world.visitor(login, Role.READ, repo) for login in ("wren", "wren", "ann"))
    owner = world.visitor("olga", Role.NONE, repo)
    page = owner.get("/tokens").get_data(as_text=True)
    assert "Who is signed in" in page
    assert "wren on hub</strong> · 2 sessions" in page
    token = re.findall(r'name="form_token" value="([^"]+)"', page)[0]
    done = owner.post("/sessions/end", data={"form_token": token, "login": "wren", "forge": "hub"})
    assert done.status_code == 303
    assert [client.get("/tokens").status_code for client in (wren, again, ann)] == [303, 303, 200]
    with world.services.store.reading() as tx:
        [line] = tx.audit.find(AuditQuery(deed=AuditAction.END_SESSIONS.value))
    assert (line.login, line.subject, line.detail) == ("olga", "wren", "2 of wren on hub")


def test_nobody_but_an_owner_sees_or_ends_sessions(world: World) -> None:
    repo = world.workspace().repo
    admin, ann = world.visitor("wren", Role.ADMIN, repo), world.visitor("ann", Role.READ, repo)
    page = admin.get("/tokens").get_data(as_text=True)
    assert "Who is signed in" not in page
    token = re.findall(r'name="form_token" value="([^"]+)"', page)[0]
    refused = admin.post("/sessions/end", data={"form_token": token, "login": "ann", "forge": "hub"})
    assert refused.status_code == 403
    assert ann.get("/tokens").status_code == 200
