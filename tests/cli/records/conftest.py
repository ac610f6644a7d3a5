"""A terminal with a real database, and with a fake forge behind it."""

from __future__ import annotations

import builtins
import dataclasses
import json
import secrets
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from flask import request
from werkzeug.serving import make_server

from bot.cli import cli, loading
from bot.config import Config
from bot.domain.errors import Conflict, IllegalMove, PlangateError
from bot.domain.events import RepoRef
from bot.domain.people.accounts import Account
from bot.domain.people.permissions import Person, Role
from bot.domain.runs.run import Run
from bot.web import create_app
from bot.wiring import Services, build_services, world_of
from tests.fakes.forge import FakeForge
from tests.support import databases

REPO = RepoRef("github", "acme/infra")
MANIFEST = """
workspaces:
  - {name: network, repo: acme/infra, working_directory: network, allowed_modes: [destroy, target]}
  - {name: app, repo: acme/infra, working_directory: app, branch: live, run_triggers: [network]}
"""


class Site:
    """The web room on a port of the loopback address, which can go away and come back."""

    def __init__(self, services: Services, port: int = 0) -> None:
        self._app = create_app(services)
        self.requests: list[str] = []
        self._app.before_request(lambda: self.requests.append(f"{request.method} {request.full_path}"))
        self.port = port
        self.start()

    def start(self) -> None:
        self._server = make_server("127.0.0.1", self.port, self._app, threaded=True)
        self.port = self._server.server_port
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()

    def stop(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


class Terminal:
    """Types commands, and looks into the database behind them. With a `site`, the commands ask that."""

    def __init__(self, services: Services, forge: FakeForge, site: Site | None = None) -> None:
        self.services = services
        self.forge = forge
        self.site = site
        self.login = "cli:ops" if site is None else "ops"

    def elsewhere(self, site: Site) -> Terminal:
        """A terminal that asks a site about the same database."""
        return Terminal(self.services, self.forge, site)

    def token(self, scope: str, role: Role = Role.ADMIN, login: str = "ops", *names: str) -> str:
        """The secret of a token of somebody with this role in the repository."""
        self.forge.set_role(REPO, login, role)
        account, person = Account("github", login), Person(login, Role.NONE)
        return self.services.tokens.make(account, person, secrets.token_hex(4), scope, 9, names)

    def run(self, *words: str, stdin: str = "", env: Mapping[str, str | None] | None = None) -> Result:
        server = () if self.site is None else ("--server", self.site.url)
        return CliRunner().invoke(cli, (*server, *words), input=stdin, env=env)

    def type(self, *words: str) -> str:
        """Type a command that works; return what it prints."""
        done = self.run(*words)
        if done.exception is not None and not isinstance(done.exception, SystemExit):
            raise done.exception
        assert done.exit_code == 0, done.output
        return done.stdout

    def json(self, *words: str) -> Any:
        return json.loads(self.type(*words, "--json"))

    def refused(self, kind: builtins.type[PlangateError], *words: str) -> str:
        # Of what is not possible now, HTTP has one status.
        kinds = (IllegalMove, Conflict) if kind in (IllegalMove, Conflict) else kind
        with pytest.raises(kinds) as refusal:
            self.type(*words)
        return str(refusal.value)

    def put(self, run_id: str, **fields: Any) -> Run:
        """Have a worker bring a run somewhere."""
        with self.services.store.transaction() as tx:
            return tx.runs.save(dataclasses.replace(tx.runs.get(run_id), **fields))


@pytest.fixture
def terminal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Terminal:
    (tmp_path / "plangate.yml").write_text(MANIFEST)
    settings = {
        "PLANGATE_CONFIG": str(tmp_path / "plangate.yml"),
        "PLANGATE_DATA": str(databases.data_folder(tmp_path / "data")),
        "PLANGATE_URL": "https://plangate.test",
        "PLANGATE_SECRET_KEY": "A" * 43 + "=",
        "PLANGATE_GITHUB_TOKEN": "token",
        "PLANGATE_GITHUB_WEBHOOK_SECRET": "hook",
        # Nobody listens there: the sweep would wake the workers.
        "REDIS_URL": "redis://127.0.0.1:1/0",
        "LOGNAME": "ops",
    }
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    forge = FakeForge("github")
    forge.set_branch(REPO, "main", "head-of-main")
    forge.set_branch(REPO, "live", "head-of-live")

    def build(config: Config) -> Services:
        return build_services(dataclasses.replace(world_of(config), forges={"github": forge}), config)

    monkeypatch.setattr(loading, "build", build)
    services, _ = loading.ready(loading.configuration())
    return Terminal(services, forge)


@pytest.fixture
def site(terminal: Terminal) -> Iterator[Site]:
    made = Site(terminal.services)
    yield made
    made.stop()


@pytest.fixture(params=["here", "elsewhere"])
def anywhere(terminal: Terminal, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Terminal:
    """A terminal with the server's configuration, and one that asks the server with a token."""
    if request.param == "here":
        return terminal
    monkeypatch.setenv("PLANGATE_TOKEN", terminal.token("admin"))
    return terminal.elsewhere(request.getfixturevalue("site"))
