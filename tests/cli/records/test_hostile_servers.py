"""Servers that lie or are somebody else: the commands say so, and print nothing that moves a cursor."""

from __future__ import annotations

import copy
import json
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from click.testing import CliRunner, Result

from bot.cli import cli
from bot.cli.records.records import Away
from bot.cli.records.shapes import BadAnswer
from bot.domain.errors import Forbidden, Invalid, NotFound, PlangateError

EVIL = "\x1b[2J\x9b31m\x07\u202e\r\U000e0001"
NOW = "2026-11-24T12:00:00+00:00"
RUN: dict[str, Any] = {
    "id": "run-1",
    "links": {"html": f"https://x/{EVIL}"},
    "attributes": {
        **dict.fromkeys(("status", "source", "commit", "message", "created-by", "plan-status"), EVIL),
        **dict.fromkeys(("apply-status", "delta", "lacks", "error", "waits", "workspace-name"), EVIL),
        **dict.fromkeys(("branch", "confirmed-by", "base-commit", "merge-commit"), EVIL),
        **dict.fromkeys(("plan-only", "auto-apply", "is-destroy", "refresh-only", "has-changes"), False),
        **{f"resource-{name}": 1 for name in ("additions", "changes", "destructions", "imports")},
        "replace-addrs": [EVIL],
        "target-addrs": [EVIL],
        "created-at": NOW,
        "status-at": NOW,
        "change": 7,
        "actions": {
            f"is-{name}": True
            for name in ("confirmable", "discardable", "cancelable", "force-cancelable", "retryable")
        },
    },
}
EVENT = {"attributes": {"at": NOW, "kind": EVIL, "actor": EVIL, "message": EVIL}}
WORKSPACE = {
    "id": EVIL,
    "attributes": {
        **dict.fromkeys(("id", "name", "repository", "branch", "working-directory"), EVIL),
        **{name: [EVIL] for name in ("allowed-modes", "run-triggers", "depends-on", "share-state-with")},
        "auto-apply": True,
        "inputs": {EVIL: EVIL},
        "queue": 2,
        "lock": {"by": EVIL, "reason": EVIL, "at": NOW},
        "state-lock": {"run": EVIL, "id": EVIL, "at": NOW},
    },
}
VARIABLE = {
    "attributes": {
        **dict.fromkeys(("key", "value", "category", "phase", "description", "from-set", "set-by"), EVIL),
        "hidden-by": EVIL,
        "hcl": False,
        "sensitive": False,
        "at": NOW,
    }
}
STATE = {
    "id": EVIL,
    "attributes": {
        **dict.fromkeys(("id", "lineage", "md5", "run", "made-by", "note", "refused"), EVIL),
        "terraform-version": EVIL,
        "serial": 1,
        "size": 1,
        "created-at": NOW,
        "current": True,
        "outputs": [{"name": EVIL, "type": EVIL, "sensitive": False, "value": EVIL}],
        "resources": [{"address": EVIL, "provider": EVIL, "instances": 3}],
    },
}
SECTION = {
    "name": EVIL,
    "touched": True,
    "sentences": [EVIL],
    "requirements": [{"requirement": EVIL, "met": False, "why": EVIL}],
    "run": EVIL,
}
WHY = {
    "attributes": {
        "about": EVIL,
        "commit": EVIL,
        "workspaces": [SECTION],
        "others": [SECTION],
        "merging": EVIL,
        "problem": EVIL,
    }
}
LAST = {"meta": {"pagination": {"current-page": 1, "next-page": None}}}
ANSWERS: dict[str, Any] = {
    "runs list": {"data": [RUN], **LAST},
    "runs show run-1": {"data": RUN, "included": [EVENT]},
    "runs confirm run-1": {"data": RUN},
    "runs logs run-1": {"data": {"attributes": {"text": "", "anew": True, "after": "", "complete": True}}},
    "workspaces list": {"data": [WORKSPACE], **LAST},
    "workspaces lock app": {"data": WORKSPACE},
    "variables list app": {"data": [VARIABLE]},
    "variables set app a --value b": {"data": VARIABLE},
    "states list app": {"data": [STATE], **LAST},
    "states show app sv-1": {"data": STATE},
    "why run-1": {"data": WHY},
}


class Liar:
    """A server that answers what it is told to."""

    def __init__(self) -> None:
        self.answer: tuple[int, dict[str, str], bytes] = (200, {}, b"")
        self.seen: list[str] = []
        liar = self

        class Handler(BaseHTTPRequestHandler):
            def _any(self) -> None:
                self.rfile.read(int(self.headers.get("Content-Length", 0)))
                liar.seen.append(self.headers.get("Authorization", ""))
                status, headers, body = liar.answer
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            do_GET = do_POST = _any

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def says(self, document: object, status: int = 200, **headers: str) -> None:
        body = document if isinstance(document, bytes) else json.dumps(document).encode()
        self.answer = (status, headers, body)

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def liar() -> Iterator[Liar]:
    made = Liar()
    yield made
    made.stop()


def ask(server: str, line: str) -> Result:
    return CliRunner().invoke(cli, ["--server", server, *line.split()], env={"PLANGATE_TOKEN": "plangate_x"})


def refused(kind: type[PlangateError], server: str, line: str = "runs list") -> str:
    done = ask(server, line)
    assert isinstance(done.exception, kind), (done.output, done.exception)
    return str(done.exception)


@pytest.mark.parametrize("line", ANSWERS)
@pytest.mark.parametrize("how", ["", " --json"])
def test_no_character_of_an_answer_moves_the_cursor(liar: Liar, line: str, how: str) -> None:
    if "logs" in line and how:
        return
    liar.says(ANSWERS[line])
    done = ask(liar.url, line + how)
    assert done.exit_code == 0, done.exception
    assert not {c for c in done.output if not c.isprintable()} - set("\n\t")
    if how:
        assert EVIL in json.dumps(json.loads(done.output), ensure_ascii=False) or "\\u001b" in done.output


def broken(value: Any) -> Iterator[tuple[str, Any]]:
    """Yield a document with one of its parts replaced by something of another kind, for each part."""
    for name, each in value.items() if isinstance(value, dict) else enumerate(value):
        for other in (None, 1.5, [3]):
            if type(other) is not type(each):
                wrong = copy.copy(value)
                wrong[name] = other
                yield f"{name}={other!r}", wrong
        if isinstance(each, dict | list):
            for what, inner in broken(each):
                wrong = copy.copy(value)
                wrong[name] = inner
                yield f"{name}.{what}", wrong


@pytest.mark.parametrize("line", ANSWERS)
def test_an_answer_of_another_form_is_said_to_be_one(liar: Liar, line: str) -> None:
    for what, document in broken(ANSWERS[line]):
        liar.says(document)
        done = ask(liar.url, line)
        assert done.exception is None or isinstance(done.exception, BadAnswer), (what, done.exception)


@pytest.mark.parametrize(
    ("status", "body", "kind", "said"),
    [
        (200, b"<html>", BadAnswer, "did not answer in JSON"),
        (200, b"[" * 100_000, BadAnswer, "did not answer in JSON"),
        (200, b"\xff\xfe", BadAnswer, "did not answer in JSON"),
        (200, b'{"data": 1}', BadAnswer, "no usable answer.data"),
        (404, b"<html>", BadAnswer, "answered 404, but not as Plangate does"),
        (404, b'{"error": "no \\u001b[2J"}', NotFound, "no \\u001b[2J"),
        (400, b'{"error": "wrong"}', Invalid, "wrong"),
        (401, b"", Forbidden, "does not accept the token: it gave no reason"),
        (500, b'{"error": "broken", "reference": "ab"}', PlangateError, "broken (reference ab)"),
        (503, b"", Away, "can't answer now (503)"),
        (429, b'{"error": "slow down"}', Away, "slow down"),
    ],
)
def test_what_a_server_refuses_is_told_in_its_words(
    liar: Liar, status: int, body: bytes, kind: type[PlangateError], said: str
) -> None:
    liar.says(body, status)
    assert said in refused(kind, liar.url)


def test_the_token_follows_no_redirect(liar: Liar) -> None:
    other = Liar()
    try:
        liar.says(b"", 302, Location=f"{other.url}/{EVIL[1:4]}")
        said = refused(Invalid, liar.url)
        assert other.url in said and "The token was not sent there" in said
        assert (other.seen, liar.seen) == ([], ["Bearer plangate_x"])
    finally:
        other.stop()


def test_the_token_goes_to_no_proxy_on_the_way_to_this_machine(
    liar: Liar, monkeypatch: pytest.MonkeyPatch
) -> None:
    proxy = Liar()
    try:
        monkeypatch.setenv("http_proxy", proxy.url)
        liar.says({"data": [], **LAST})
        assert ask(liar.url, "runs list").output == "no runs found\n"
        assert proxy.seen == []
    finally:
        proxy.stop()


def test_a_server_that_is_away_or_speaks_no_tls_is_told(liar: Liar) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        said = refused(Away, f"http://127.0.0.1:{nobody.getsockname()[1]}")
        assert "can't reach" in said
    assert "is not safe" in refused(PlangateError, liar.url.replace("http://", "https://"))


def test_an_endless_answer_is_cut_off(liar: Liar) -> None:
    liar.says(b" " * (65 * 2**20))
    assert "larger than 64 MiB" in refused(BadAnswer, liar.url)
