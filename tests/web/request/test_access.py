"""Who sees the pages, whose forms count, and what every answer tells the browser."""

from __future__ import annotations

import sqlite3
from datetime import timedelta
from typing import Any

import pytest

from bot.domain.errors import StoreBusy, StoreUnavailable
from bot.domain.runs.lifecycle import RunStatus, StageStatus
from bot.domain.runs.run import Run
from bot.web.runs import build as run_page
from tests.fakes.engine import FakeEngine
from tests.web.conftest import World

PAGES = ("/", "/workspaces/network", "/deliveries", "/runs/{run}", "/runs/{run}/output/plan")


@pytest.fixture
def run(world: World) -> Run:
    return world.run(world.workspace(), status=RunStatus.PLANNED, plan_status=StageStatus.FINISHED)


@pytest.mark.parametrize(
    "stranger",
    [
        {"environ_base": {"REMOTE_ADDR": "192.0.2.7"}},
        {"environ_base": {"REMOTE_ADDR": "::ffff:192.0.2.7"}},
        {"environ_base": {"REMOTE_ADDR": ""}},
        {"headers": {"X-Forwarded-For": "127.0.0.1"}},
        {"headers": {"Forwarded": "for=127.0.0.1"}},
        {"headers": {"X-Real-IP": "127.0.0.1"}},
        {"headers": {"Host": "rebound.example.net"}},
        {"headers": {"Host": "localhost.example.net"}},
        {"headers": {"Host": "[::1"}},
    ],
    ids=str,
)
def test_strangers_see_nothing(world: World, run: Run, stranger: dict[str, dict[str, str]]) -> None:
    for page in PAGES:
        sent = world.client.get(page.format(run=run.id), **stranger)
        assert (sent.status_code, sent.headers["Location"][:8]) == (303, "/sign-in")
        answer = world.client.get(sent.headers["Location"], **stranger)
        assert answer.status_code == 403
        assert "plangate sign-in prints" in answer.get_data(as_text=True)
        assert run.message not in sent.get_data(as_text=True)
        assert run.message not in answer.get_data(as_text=True)
        assert run.id not in answer.get_data(as_text=True)


def test_without_a_local_administrator_nobody_sees_anything(world: World, run: Run) -> None:
    client = world.with_settings(local_admin="")
    for page in PAGES:
        assert client.get(page.format(run=run.id)).status_code == 303
    assert client.get("/sign-in").status_code == 403
    assert world.sign_in(client).status_code == 403


@pytest.mark.parametrize(
    "host", ["localhost", "localhost:8080", "127.0.0.1:1", "[::1]:8080", "plangate.example.com"]
)
def test_the_local_administrator_sees_them(world: World, run: Run, host: str) -> None:
    session = world.cookie()
    for page in PAGES:
        headers = {"Host": host, "Cookie": f"plangate_session={session}"}
        browser = world.app.test_client(use_cookies=False)
        assert browser.get(page.format(run=run.id), headers=headers).status_code == 200


def test_a_form_needs_the_token_of_its_page(world: World, run: Run) -> None:
    token = world.form_token(f"/runs/{run.id}")
    path = f"/runs/{run.id}/discard"
    for wrong in ({}, {"form_token": ""}, {"form_token": "0" * 64}, {"form_token": "é"}):
        answer = world.client.post(path, data=wrong)
        assert answer.status_code == 403
        assert "reload the page" in answer.get_data(as_text=True)
    elsewhere = world.client.post(
        path, data={"form_token": token}, headers={"Origin": "https://evil.example"}
    )
    assert elsewhere.status_code == 403
    assert world.stranger().post(path, data={"form_token": token}).status_code == 403, "no session"
    assert world.reload(run).status is RunStatus.PLANNED
    answer = world.client.post(path, data={"form_token": token}, headers={"Origin": "http://localhost"})
    assert answer.status_code == 303
    assert world.reload(run).status is RunStatus.DISCARDED


def test_a_token_is_worth_nothing_in_another_session(world: World, run: Run) -> None:
    token = world.form_token(f"/runs/{run.id}")
    world.clock.pass_by(timedelta(seconds=1))
    other = world.stranger()
    world.sign_in(other)
    assert other.post(f"/runs/{run.id}/discard", data={"form_token": token}).status_code == 403
    assert world.reload(run).status is RunStatus.PLANNED


@pytest.mark.parametrize("path", ["/", "/nothing/here", "/healthz", "/hooks/hub", "/static/plangate.css"])
def test_every_answer_carries_the_shield(world: World, path: str) -> None:
    headers = world.client.get(path).headers
    policy = headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "same-origin"


def test_pages_are_not_kept_by_caches(world: World) -> None:
    assert world.client.get("/").headers["Cache-Control"] == "no-store"


READY = {"database": True, "schema": "current", "redis": True, "disk": True, "sweep_age_seconds": None}


def test_health(world: World) -> None:
    assert world.client.get("/healthz").get_json() == {"ok": True}
    assert world.client.get("/readyz").get_json() == READY
    world.dispatch.down = True
    answer = world.client.get("/readyz")
    assert (answer.status_code, answer.get_json()) == (503, READY | {"redis": False})


def test_readyz_says_that_the_disk_is_full(world: World) -> None:
    engine = world.services.engine
    assert isinstance(engine, FakeEngine)
    engine.full = "3 MB left"
    answer = world.client.get("/readyz")
    assert (answer.status_code, answer.get_json()) == (503, READY | {"disk": False})


def test_readyz_tells_the_age_of_the_last_sweep_and_stays_ready(world: World) -> None:
    world.dispatch.note_sweep(world.services.clock.now() - timedelta(hours=3))
    answer = world.client.get("/readyz")
    assert (answer.status_code, answer.get_json()) == (200, READY | {"sweep_age_seconds": 3 * 3600})


@pytest.mark.parametrize(("revision", "said", "status"), [("0001", "behind", 503), ("9999", "newer", 200)])
def test_readyz_knows_the_schema_and_lives_with_a_newer_one(
    world: World, revision: str, said: str, status: int
) -> None:
    with sqlite3.connect(world.database) as database:
        (current,) = database.execute("SELECT version_num FROM alembic_version").fetchone()
        database.execute("UPDATE alembic_version SET version_num = ?", [revision])
    answer = world.client.get("/readyz")
    with sqlite3.connect(world.database) as database:
        database.execute("UPDATE alembic_version SET version_num = ?", [current])
    assert (answer.status_code, answer.get_json()) == (status, READY | {"schema": said})


def test_the_last_resort_says_nothing_but_a_reference(
    world: World, run: Run, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: Any) -> None:
        raise RuntimeError("the secret is hunter2")

    monkeypatch.setattr(run_page, "build", broken)
    answer = world.client.get(f"/runs/{run.id}")
    text = answer.get_data(as_text=True)
    assert answer.status_code == 500
    assert "hunter2" not in text
    assert "Traceback" not in text
    reference = text.partition("Reference: <code>")[2].partition("<")[0]
    assert len(reference) == 8
    assert reference in caplog.text
    assert "hunter2" in caplog.text


@pytest.mark.parametrize(
    "error", [StoreBusy("the database is busy"), StoreUnavailable("connection to 10.0.0.7 failed")]
)
@pytest.mark.parametrize(("path", "seconds"), [("/runs/{}", "2"), ("/state/ws-1", "10")])
def test_without_a_database_all_may_be_tried_again(
    world: World,
    run: Run,
    monkeypatch: pytest.MonkeyPatch,
    error: StoreBusy | StoreUnavailable,
    path: str,
    seconds: str,
) -> None:
    def broken(*_: Any) -> None:
        raise error

    monkeypatch.setattr(run_page, "build", broken)
    monkeypatch.setattr(world.services.states, "admit", broken)
    answer = world.client.get(path.format(run.id), auth=("run-1", "a") if "state" in path else None)
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, seconds)
    assert "10.0.0.7" not in answer.get_data(as_text=True)
