"""What the playground's tests work with: a client held to GitHub's description, a Git, a listener."""

from __future__ import annotations

import hashlib
import hmac
import json
import subprocess
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
from openapi_core import Config, OpenAPI
from openapi_core.contrib.werkzeug import WerkzeugOpenAPIRequest, WerkzeugOpenAPIResponse
from openapi_core.templating.paths.exceptions import PathError
from openapi_core.templating.responses.exceptions import ResponseNotFound
from werkzeug.test import EnvironBuilder
from werkzeug.wrappers import Request, Response

from bot.playground.git.process import git_environment
from bot.playground.server import Playground
from tests.support.github_paths import described_path

SECRET = "the webhook secret"


class GitHubDescription:
    """GitHub's OpenAPI description, and what of the playground it has been held against."""

    def __init__(self, path: Path) -> None:
        # Whether the description itself is in order is not what these tests are about, and takes long.
        config = Config(spec_validator_cls=None)
        self._openapi = OpenAPI.from_file_path(str(path), config=config)
        self.checked: set[tuple[str, str]] = set()

    def check(self, sent: httpx.Request, answer: httpx.Response) -> None:
        path = described_path(sent.url.path.removeprefix("/api/v3"))
        builder = EnvironBuilder(
            path=path,
            base_url="https://api.github.com",
            method=sent.method,
            query_string=sent.url.query.decode(),
            data=sent.content,
            content_type="application/json",
        )
        request = WerkzeugOpenAPIRequest(Request(builder.get_environ()))
        response = WerkzeugOpenAPIResponse(
            Response(answer.content, answer.status_code, content_type=answer.headers.get("content-type"))
        )
        try:
            if answer.is_success:
                self._openapi.validate_request(request)
            self._openapi.validate_response(request, response)
        except PathError:
            return
        except ResponseNotFound:
            # The description leaves out what every operation shares, such as 401 and 304.
            assert answer.status_code >= 300, f"{sent.method} {path} answers {answer.status_code}"
            return
        self.checked.add((sent.method, path))


class GitHubClient:
    """Speaks to the playground's API as one user, and holds every answer against the description."""

    def __init__(
        self, playground: Playground, token: str = "", description: GitHubDescription | None = None
    ) -> None:
        self._base = playground.api_url
        self._description = description
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._client = httpx.Client(headers=headers, trust_env=False, verify=False)

    def __call__(self, method: str, path: str, body: Any = None, **headers: str) -> httpx.Response:
        url = path if path.startswith("http") else self._base + path
        named = {key.replace("_", "-"): value for key, value in headers.items()}
        answer = self._client.request(method, url, json=body, headers=named)
        if self._description:
            self._description.check(answer.request, answer)
        return answer

    def get(self, path: str, status: int = 200, **headers: str) -> Any:
        return self._expect(self("GET", path, **headers), status)

    def post(self, path: str, body: Any = None, status: int = 201) -> Any:
        return self._expect(self("POST", path, body or {}), status)

    def put(self, path: str, body: Any = None, status: int = 200) -> Any:
        return self._expect(self("PUT", path, body or {}), status)

    def patch(self, path: str, body: Any, status: int = 200) -> Any:
        return self._expect(self("PATCH", path, body), status)

    def delete(self, path: str, status: int = 204) -> Any:
        return self._expect(self("DELETE", path), status)

    @staticmethod
    def _expect(answer: httpx.Response, status: int) -> Any:
        assert answer.status_code == status, f"{answer.status_code}: {answer.text}"
        return answer.json() if answer.content else None


@dataclass
class WorkingTree:
    """A person's clone."""

    path: Path
    name: str

    def git(self, *args: str, check: bool = True) -> str:
        env = git_environment(
            GIT_AUTHOR_NAME=self.name,
            GIT_AUTHOR_EMAIL=f"{self.name}@users.noreply.example.test",
            GIT_COMMITTER_NAME=self.name,
            GIT_COMMITTER_EMAIL=f"{self.name}@users.noreply.example.test",
        )
        done = subprocess.run(
            ["git", *args], cwd=self.path, env=env, capture_output=True, text=True, check=False
        )
        if check and done.returncode:
            raise AssertionError(f"git {args}: {done.stderr}")
        return (done.stdout + done.stderr).strip()

    def commit(self, message: str, **files: str | None) -> str:
        for name, content in files.items():
            path = self.path / name.replace("__", "/").replace("_tf", ".tf")
            path.parent.mkdir(parents=True, exist_ok=True)
            if content is None:
                path.unlink()
            else:
                path.write_text(content)
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", "-m", message)
        return self.git("rev-parse", "HEAD")


def authenticated(playground: Playground, full_name: str, token: str = "") -> str:
    """Give the address of a repository with a token in it."""
    host = playground.url.removeprefix("http://")
    return f"http://{f'x-access-token:{token}@' if token else ''}{host}/{full_name}.git"


@dataclass
class Received:
    event: str
    id: str
    headers: dict[str, str]
    raw: bytes

    @property
    def body(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.raw)
        return found

    @property
    def name(self) -> str:
        action = self.body.get("action")
        return f"{self.event}.{action}" if action else self.event

    def signed_with(self, secret: str) -> bool:
        expected = "sha256=" + hmac.new(secret.encode(), self.raw, hashlib.sha256).hexdigest()
        return hmac.compare_digest(expected, self.headers["X-Hub-Signature-256"])


@dataclass
class Listener:
    """A receiver of webhooks; `answer` is the status that it gives."""

    playground: Playground
    answer: int = 202
    received: list[Received] = field(default_factory=list)

    def __post_init__(self) -> None:
        listener = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                raw = self.rfile.read(int(self.headers["Content-Length"]))
                headers = dict(self.headers.items())
                event, number = headers["X-GitHub-Event"], headers["X-GitHub-Delivery"]
                listener.received.append(Received(event, number, headers, raw))
                self.send_response(listener.answer)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}/hooks/github"

    def during(self, act: Callable[[], object]) -> list[Received]:
        """Tell what arrives because of an act."""
        self.playground.settle()
        before = len(self.received)
        act()
        self.playground.settle()
        return self.received[before:]

    def stop(self) -> None:
        self.server.shutdown()
        self.server.server_close()
