"""A forge that answers over real HTTP what a test tells it to, and remembers what it was asked."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import parse_qsl, urlsplit

from openapi_core.datatypes import RequestParameters
from werkzeug.datastructures import ImmutableMultiDict

from tests.support.github_paths import described_path

PREFIX = "/api/v3"


@dataclass(frozen=True)
class Asked:
    """One request; the path is as it was sent, less the server's prefix."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def token(self) -> str:
        return self.headers.get("authorization", "").removeprefix("Bearer ")


@dataclass(frozen=True)
class Reply:
    """One answer; a body of bytes goes out as it is, anything else as JSON."""

    body: object = None
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)


Answers = Reply | Callable[[Asked], Reply]


class ScriptedForge:
    """Serves `url`. Several answers for one address come one after the other; the last one stays."""

    def __init__(self, prefix: str) -> None:
        self.prefix = prefix
        self.asked: list[Asked] = []
        self._script: list[tuple[str, re.Pattern[str], list[Answers]]] = []
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}{prefix}"

    def on(self, method: str, path: str, *answers: Answers) -> None:
        """Say what to answer; the path is a regular expression for all of it, and later ones win."""
        self._script.insert(0, (method, re.compile(path), list(answers)))

    def calls(self) -> list[str]:
        """List the requests as `GET /path`."""
        return [f"{asked.method} {asked.path}" for asked in self.asked]

    def answer(self, asked: Asked) -> Reply:
        """Find what to answer."""
        self.asked.append(asked)
        for method, path, answers in self._script:
            if method == asked.method and path.fullmatch(asked.path):
                answer = answers.pop(0) if len(answers) > 1 else answers[0]
                return answer if isinstance(answer, Reply) else answer(asked)
        return Reply({"message": "Not Found"}, 404)

    def __enter__(self) -> Self:
        # The server looks for the end only as often as it polls.
        serve = {"poll_interval": 0.01}
        threading.Thread(target=self._server.serve_forever, kwargs=serve, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()


class ScriptedGitHub(ScriptedForge):
    """A GitHub Enterprise server."""

    def __init__(self) -> None:
        super().__init__(PREFIX)


class Described:
    """A request as openapi-core likes it."""

    host_url = "https://api.github.com"

    def __init__(self, asked: Asked) -> None:
        self.path = described_path(asked.path)
        self.method = asked.method.lower()
        self.body = asked.body or None
        self.content_type = asked.headers.get("content-type", "")
        self.parameters = RequestParameters(query=ImmutableMultiDict(asked.query), header=asked.headers)


def _handler(github: ScriptedForge) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            headers = {name.lower(): value for name, value in self.headers.items()}
            path = parts.path.removeprefix(github.prefix)
            reply = github.answer(Asked(self.command, path, dict(parse_qsl(parts.query)), headers, body))
            raw = reply.body if isinstance(reply.body, bytes) else json.dumps(reply.body).encode()
            try:
                self.send_response(reply.status)
                for name, value in reply.headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(raw)))
                self.end_headers()
                self.wfile.write(raw)
            except ConnectionError:
                # The client has given up waiting: that is what its test is about.
                self.close_connection = True

        do_POST = do_PATCH = do_PUT = do_DELETE = do_GET

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing: `asked` is the record."""

    return Handler
