"""`plangate doctor` on identity tokens: an issuer that clouds can ask, and roles that differ by phase."""

from __future__ import annotations

import datetime
import ipaddress
import json
import ssl
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Self

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from bot.cli.checkup.finding import State
from bot.cli.checkup.issuer import issuer
from bot.config import Config
from bot.wiring import configured

PLAIN = "workspaces:\n  - {name: net, repo: acme/infra}\n"
ARN = "arn:aws:iam::123456789012:role"
TWO_ROLES = f"{{aws: {{plan_role: '{ARN}/plan', apply_role: '{ARN}/apply'}}}}"
LOOPBACK = ipaddress.ip_address("127.0.0.1")
ONE_ROLE = TWO_ROLES.replace("role/apply", "role/plan")
Settings = Callable[..., Config]


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    def read(workspaces: str, url: str = "https://plangate.example.test") -> Config:
        path = tmp_path / "plangate.yml"
        path.write_text("forges:\n  github: {kind: github}\n" + workspaces)
        return configured(
            {
                "PATH": "/usr/bin:/bin",
                "PLANGATE_CONFIG": str(path),
                "PLANGATE_DATA": str(tmp_path / "data"),
                "PLANGATE_URL": url,
                "PLANGATE_SECRET_KEY": "x" * 43 + "=",
                "REDIS_URL": "redis://:secret@127.0.0.1/0",
                "PLANGATE_GITHUB_TOKEN": "ghp_" + "a" * 36,
                "PLANGATE_GITHUB_WEBHOOK_SECRET": "s" * 40,
            }
        )

    return read


class Proxy(ThreadingHTTPServer):
    """A server with TLS at Plangate's public address, which lets `answers` through."""

    daemon_threads = True

    def __init__(self, folder: Path) -> None:
        super().__init__(("127.0.0.1", 0), _Answers)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate(folder))
        self.socket = context.wrap_socket(self.socket, server_side=True)
        self.url = f"https://127.0.0.1:{self.server_address[1]}"
        self.answers: dict[str, object] = {
            "/.well-known/openid-configuration": {"issuer": self.url},
            "/.well-known/jwks.json": {"keys": []},
        }

    def __enter__(self) -> Self:
        threading.Thread(target=self.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.shutdown()
        self.server_close()


class _Answers(BaseHTTPRequestHandler):
    server: Proxy

    def do_GET(self) -> None:
        answer = self.server.answers.get(self.path)
        body = json.dumps(answer).encode()
        self.send_response(404 if answer is None else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


def certificate(folder: Path) -> Path:
    """Write a key and a certificate of this machine's loopback address into one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(LOOPBACK)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path = folder / "certificate.pem"
    path.write_bytes(private + made.public_bytes(serialization.Encoding.PEM))
    return path


@pytest.fixture
def proxy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Proxy]:
    with Proxy(tmp_path) as running:
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "certificate.pem"))
        yield running


def workspace(identity: str) -> str:
    return PLAIN.replace("}", f", identity: {identity}}}")


def rule(identity: str) -> str:
    return f"discover:\n  - {{repo: acme/infra, directories: ['*'], identity: {identity}}}\n"


def said(config: Config) -> list[tuple[State, str]]:
    return [(one.state, one.found) for one in issuer(config)]


def test_without_identity_nothing_is_said(settings: Settings) -> None:
    assert said(settings(PLAIN, "http://127.0.0.1:1")) == []


@pytest.mark.parametrize("entry", [workspace, rule])
def test_an_issuer_that_publishes_its_keys(
    settings: Settings, proxy: Proxy, entry: Callable[[str], str]
) -> None:
    found = said(settings(entry(TWO_ROLES), proxy.url))
    assert found == [(State.OK, f"the issuer {proxy.url} publishes its keys")]


@pytest.mark.parametrize("entry", [workspace, rule])
def test_a_plan_that_acts_with_the_role_of_applies(
    settings: Settings, proxy: Proxy, entry: Callable[[str], str]
) -> None:
    named = "net" if entry is workspace else "rule {directory}"
    assert said(settings(entry(ONE_ROLE), proxy.url))[1:] == [
        (State.WARNING, f"plans act with the role of applies: {named}")
    ]


def test_plain_http(settings: Settings) -> None:
    found = said(settings(workspace(TWO_ROLES), "http://127.0.0.1:1"))
    assert found == [(State.FAILED, "the issuer is http://127.0.0.1:1, and clouds accept only https")]


def test_nobody_answers_there(settings: Settings, proxy: Proxy) -> None:
    ((state, found),) = said(settings(workspace(TWO_ROLES), "https://127.0.0.1:1"))
    assert (state, found) == (
        State.FAILED,
        "https://127.0.0.1:1/.well-known/ can't be reached from here: ConnectError",
    )


@pytest.mark.parametrize(
    ("path", "answer", "found"),
    [
        ("openid-configuration", None, "{url}/.well-known/openid-configuration answers 404"),
        (
            "openid-configuration",
            {"issuer": "https://other.example"},
            "names the issuer https://other.example",
        ),
        ("openid-configuration", ["a page"], "{url}/.well-known/ is answered, but not by Plangate"),
        ("jwks.json", None, "{url}/.well-known/jwks.json answers 404"),
        ("jwks.json", {}, "{url}/.well-known/ is answered, but not by Plangate"),
    ],
)
def test_an_address_that_the_proxy_keeps_to_itself(
    settings: Settings, proxy: Proxy, path: str, answer: object, found: str
) -> None:
    proxy.answers[f"/.well-known/{path}"] = answer
    ((state, told),) = said(settings(workspace(TWO_ROLES), proxy.url))
    assert state is State.FAILED and found.format(url=proxy.url) in told
