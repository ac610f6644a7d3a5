"""Registering a GitHub App in two clicks, against a small server that answers as GitHub does."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from html import unescape
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from bot.cli.server.github_app import AppRequest, Registrar, keep
from bot.domain.errors import PlangateError


class GitHub(BaseHTTPRequestHandler):
    """Knows one code."""

    def do_POST(self) -> None:
        known = self.path == "/api/v3/app-manifests/good-code/conversions"
        answer = {
            "id": 42,
            "slug": "plangate-acme",
            "html_url": "https://github.example.com/apps/plangate-acme",
            "pem": "-----BEGIN RSA PRIVATE KEY-----\nsecret\n-----END RSA PRIVATE KEY-----\n",
            "webhook_secret": "hush",
            "client_id": "Iv23li",
            "client_secret": "quiet",
        }
        body = json.dumps(answer if known else {"message": "Not Found"}).encode()
        self.send_response(201 if known else 404)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def github() -> Iterator[str]:
    with HTTPServer(("127.0.0.1", 0), GitHub) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture
def registrar(github: str, tmp_path: Path) -> Registrar:
    return Registrar(AppRequest("https://plangate.example.com", "Plangate <acme>", "acme", github, tmp_path))


def form(registrar: Registrar) -> tuple[str, dict[str, object]]:
    """Return the form's address and the manifest in it."""
    status, page = registrar.answer("/")
    assert status == 200
    action = unescape(re.findall(r"action='([^']+)'", page)[0])
    return action, json.loads(unescape(re.findall(r'name=manifest value="([^"]+)"', page)[0]))


def test_the_page_sends_a_manifest_to_the_organization(registrar: Registrar, github: str) -> None:
    action, manifest = form(registrar)
    assert action.startswith(f"{github}/organizations/acme/settings/apps/new?state=")
    assert manifest["name"] == "Plangate <acme>"
    assert manifest["hook_attributes"] == {
        "url": "https://plangate.example.com/hooks/github",
        "active": True,
    }
    assert manifest["redirect_url"] == f"{registrar.url}/created"


def test_what_github_answers_is_kept_for_its_owner_alone(registrar: Registrar, tmp_path: Path) -> None:
    state = parse_qs(urlsplit(form(registrar)[0]).query)["state"][0]
    answers: list[httpx.Response] = []

    def click() -> None:
        answers.append(httpx.get(f"{registrar.url}/created", params={"code": "good-code", "state": state}))

    clicking = threading.Thread(target=click)
    clicking.start()
    app = registrar.wait()
    clicking.join()
    assert "https://github.example.com/apps/plangate-acme/installations/new" in answers[0].text
    assert "hush" not in answers[0].text
    settings = keep(app, tmp_path / "kept")
    assert "PLANGATE_GITHUB_APP_ID=42\n" in settings.read_text()
    assert "PLANGATE_GITHUB_WEBHOOK_SECRET=hush\n" in settings.read_text()
    assert "PLANGATE_GITHUB_CLIENT_ID=Iv23li\n" in settings.read_text()
    assert "PLANGATE_GITHUB_CLIENT_SECRET=quiet\n" in settings.read_text()
    assert {path.stat().st_mode & 0o777 for path in settings.parent.iterdir()} == {0o600}


def test_a_way_back_that_nobody_began_is_turned_away(registrar: Registrar) -> None:
    status, _ = registrar.answer("/created?code=good-code&state=forged")
    assert (status, registrar.app) == (400, None)


def test_a_refusal_ends_it_with_its_reason(registrar: Registrar) -> None:
    state = parse_qs(urlsplit(form(registrar)[0]).query)["state"][0]
    status, _ = registrar.answer(f"/created?code=used-up&state={state}")
    assert status == 502
    with pytest.raises(PlangateError, match="did not register"):
        registrar.wait()
