"""The playground as one thing to start and stop: the forge, its web server and its sender of webhooks."""

from __future__ import annotations

import contextlib
import secrets
import socket
import threading
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from flask import Flask, Response, jsonify, request
from werkzeug.serving import BaseWSGIServer, WSGIRequestHandler, make_server

from bot.playground.admin import admin_blueprint
from bot.playground.forge.faults import Call, Fault
from bot.playground.forge.house import Forge
from bot.playground.github.addresses import Addresses
from bot.playground.github.api import PREFIX, github_blueprint
from bot.playground.github.desk import Desk, asker_name
from bot.playground.github.events import GitHubEvents
from bot.playground.github.git_shapes import GitShapes
from bot.playground.gitlab.api import PREFIX as GITLAB_PREFIX
from bot.playground.gitlab.api import gitlab_blueprint
from bot.playground.gitlab.desk import GitLabDesk
from bot.playground.gitlab.events import GitLabEvents
from bot.playground.gitlab.shapes import Shapes as GitLabShapes
from bot.playground.web.git_http import git_blueprint
from bot.playground.web.oauth import TOKEN_PATHS, OAuthDesk, oauth_blueprint
from bot.playground.web.pages import pages_blueprint
from bot.playground.web.webhooks import Delivery, Outbox

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Self

    from bot.playground.forge.model import Hook

_TEMPLATES = "templates"


class Playground:
    """A forge on this machine. `secret` signs the webhooks; `admin_token` opens /playground/."""

    def __init__(
        self,
        root: Path,
        secret: str = "",
        host: str = "127.0.0.1",
        port: int = 0,
        *,
        admin_token: str = "",
    ) -> None:
        self.secret = secret
        self.admin_token = admin_token or secrets.token_hex(20)
        self.forge = Forge(root.absolute())
        self.outbox = Outbox()
        self.oauth = OAuthDesk(self.forge)
        self._at = Addresses()
        shapes = GitShapes(self.forge, self._at)
        self._events = GitHubEvents(shapes, self.outbox)
        self.forge.subscribe(self._events)
        self._gitlab_shapes = GitLabShapes(self.forge, self._at)
        self.forge.subscribe(GitLabEvents(self._gitlab_shapes, self.outbox))
        self.app = self._build(Desk(self.forge, shapes, self.outbox))
        self._where = host, port
        self._server: BaseWSGIServer | None = None
        self._thread: threading.Thread | None = None

    def _build(self, desk: Desk) -> Flask:
        app = Flask("playground", template_folder=str(_templates()), static_folder=None)
        app.json.sort_keys = False  # type: ignore[attr-defined]
        events, token = self._events, self.admin_token
        app.register_blueprint(admin_blueprint(self.forge, self.outbox, events, token, self.oauth))
        app.register_blueprint(github_blueprint(desk))
        app.register_blueprint(gitlab_blueprint(GitLabDesk(self.forge, self._gitlab_shapes), self.outbox))
        app.register_blueprint(git_blueprint(self.forge))
        app.register_blueprint(oauth_blueprint(self.oauth))
        app.register_blueprint(pages_blueprint(self.forge))
        _watch_requests(app, self.forge)
        return app

    @property
    def url(self) -> str:
        """Where the pages and the repositories are."""
        return self._at.web

    @property
    def api_url(self) -> str:
        """Where GitHub's API is."""
        return self._at.api

    @property
    def deliveries(self) -> Sequence[Delivery]:
        """Every webhook call so far, waiting ones included."""
        return list(self.outbox.log)

    def start(self) -> Self:
        """Serve in the background."""
        host, port = self._where
        self._server = make_server(host, port, self.app, threaded=True, request_handler=_QuietHandler)
        self._at.web = f"http://{host}:{self._server.server_port}"
        # A short poll makes stopping quick, which every test pays for.
        serve = partial(self._server.serve_forever, poll_interval=0.02)
        self._thread = threading.Thread(target=serve, name="playground-web", daemon=True)
        self._thread.start()
        self.outbox.start()
        return self

    def stop(self) -> None:
        """Serve no more; webhooks that wait are still sent."""
        if self._server:
            self._server.shutdown()
            self._server.server_close()
            if self._thread:
                self._thread.join()
            self._server = None
            self.outbox.stop()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def add_hook(
        self, url: str, *, events: Sequence[str] = ("*",), repo: str | None = None, flavour: str = "github"
    ) -> Hook:
        """Send a forge's events to an address; GitHub's begin with a ping."""
        hook = self.forge.add_hook(url, self.secret, events=events, repo=repo, flavour=flavour)
        if flavour == "github":
            self._events.ping(hook)
        return hook

    def redeliver(self, delivery_id: str) -> Delivery:
        """Send a delivery once more under the same id."""
        return self.outbox.redeliver(delivery_id)

    def settle(self) -> None:
        """Wait until every webhook so far has been sent."""
        self.outbox.settle()


def _templates() -> Path:
    # Beside the package in a wheel, beside bot/ in a checkout.
    inside = Path(__file__).parents[1] / _TEMPLATES
    return inside if inside.is_dir() else Path(__file__).parents[2] / _TEMPLATES


class _QuietHandler(WSGIRequestHandler):
    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Say nothing of requests: the forge keeps its own record."""


def _watch_requests(app: Flask, forge: Forge) -> None:
    def to_others() -> bool:
        here = request.path
        apis = here.startswith((PREFIX, GITLAB_PREFIX)) or here in TOKEN_PATHS
        return apis or request.endpoint in _GIT_ENDPOINTS

    def trouble(*, after: bool) -> Response | None:
        fault = forge.faults.take(request.method, request.path, asker_name(forge), after=after)
        return _faulty(fault) if fault and (fault.status or fault.cut) else None

    @app.before_request
    def stumble() -> Response | None:
        return trouble(after=False) if to_others() else None

    @app.after_request
    def record(response: Response) -> Response:
        if not to_others():
            return response
        response = trouble(after=True) or response
        forge.calls.record(Call(request.method, request.path, asker_name(forge), response.status_code))
        return response


_GIT_ENDPOINTS = ("git.info_refs", "git.upload_pack", "git.receive_pack")


def _faulty(fault: Fault) -> Response:
    if fault.cut:
        # What the server writes after this reaches nobody: it takes the caller for gone.
        with contextlib.suppress(OSError):  # the caller has gone already
            request.environ["werkzeug.socket"].shutdown(socket.SHUT_RDWR)
    answer = fault.answer()
    response = Response(answer, mimetype="text/html") if isinstance(answer, str) else jsonify(answer)
    response.status_code = fault.status or 500
    response.headers.update(fault.headers)
    return response
