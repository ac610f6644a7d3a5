"""A terminal with a real database, and with a fake forge behind it."""

from __future__ import annotations

import builtins
import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from bot.cli import cli, loading
from bot.config import Config
from bot.domain.errors import PlangateError
from bot.domain.events import RepoRef
from bot.domain.runs.run import Run
from bot.wiring import Services, build_services, world_of
from tests.fakes.forge import FakeForge
from tests.support import databases

REPO = RepoRef("github", "acme/infra")
MANIFEST = """
workspaces:
  - {name: network, repo: acme/infra, working_directory: network, allowed_modes: [destroy, target]}
  - {name: app, repo: acme/infra, working_directory: app, branch: live, run_triggers: [network]}
"""


class Terminal:
    """Types commands, and looks into the database behind them."""

    def __init__(self, services: Services) -> None:
        self.services = services

    def type(self, *words: str) -> str:
        """Type a command that works; return what it prints."""
        done = CliRunner().invoke(cli, words)
        if done.exception is not None and not isinstance(done.exception, SystemExit):
            raise done.exception
        assert done.exit_code == 0, done.output
        return done.stdout

    def json(self, *words: str) -> Any:
        return json.loads(self.type(*words, "--json"))

    def refused(self, kind: builtins.type[PlangateError], *words: str) -> str:
        with pytest.raises(kind) as refusal:
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
    return Terminal(services)
