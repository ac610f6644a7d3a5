"""`plangate doctor` on forges that are set up wrongly: each fault is a line that says what to do."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import pytest

from bot.cli.checkup.finding import State
from bot.cli.checkup.forges import forge
from bot.config import Config
from bot.domain.errors import ForgeRefused
from bot.domain.events import RepoRef
from bot.services.ports import ForgeChecks, ForgeFault
from bot.wiring import configured

MANIFEST = """
forges:
  github: {kind: github}
workspaces:
  - {name: net, repo: acme/infra, working_directory: net}
  - {name: net-staging, repo: acme/infra, working_directory: net, branch: staging}
"""
SURE, MAYBE = ForgeFault("it is broken", "Mend it"), ForgeFault("it may be broken", "Look at it", sure=False)


class Client:
    """A forge on which all is well, unless a test says otherwise."""

    ahead = timedelta()
    lacks: tuple[str, ...] = ()
    lacks_on: tuple[str, ...] = ()
    advised: tuple[ForgeFault, ...] = ()
    token: tuple[ForgeFault, ...] = ()
    hooks: tuple[ForgeFault, ...] = ()
    asked_of: tuple[Sequence[RepoRef], str] = ((), "")

    def clock_ahead(self) -> timedelta:
        return self.ahead

    def whoami(self) -> str:
        return "plangate[bot]"

    def lacking(self, repo: RepoRef, *, merges: bool = False, teams: bool = False) -> tuple[str, ...]:
        return self.lacks

    def lacking_on(self, repo: RepoRef, branch: str) -> tuple[str, ...]:
        return self.lacks_on if branch == "staging" else ()

    def advice(self, repo: RepoRef, branch: str) -> tuple[ForgeFault, ...]:
        return self.advised

    def token_faults(self) -> tuple[ForgeFault, ...]:
        return self.token

    def hook_faults(self, repos: Sequence[RepoRef], url: str) -> tuple[ForgeFault, ...]:
        self.asked_of = (repos, url)
        return self.hooks


@pytest.fixture
def config(tmp_path: Path) -> Config:
    path = tmp_path / "plangate.yml"
    path.write_text(MANIFEST)
    return configured(
        {
            "PATH": "/usr/bin:/bin",
            "PLANGATE_CONFIG": str(path),
            "PLANGATE_DATA": str(tmp_path / "data"),
            "PLANGATE_URL": "https://plangate.example.test",
            "PLANGATE_SECRET_KEY": "x" * 43 + "=",
            "REDIS_URL": "redis://:secret@127.0.0.1/0",
            "PLANGATE_GITHUB_TOKEN": "ghp_" + "a" * 36,
            "PLANGATE_GITHUB_WEBHOOK_SECRET": "s" * 40,
        }
    )


def lines(config: Config, client: ForgeChecks) -> list[tuple[str, str, str, str]]:
    found = forge(config, config.forges[0], client)
    return [(str(one.state), one.name, one.found, one.advice) for one in found if one.state is not State.OK]


def test_where_all_is_well_nothing_is_remarked(config: Config) -> None:
    client = Client()
    assert lines(config, client) == []
    assert client.asked_of == (
        [RepoRef("github", "acme/infra")],
        "https://plangate.example.test/hooks/github",
    )


@pytest.mark.parametrize(
    ("part", "faults", "name"),
    [
        ("token", (SURE, MAYBE), "github: token"),
        ("hooks", (SURE, MAYBE), "github: webhook"),
        ("advised", (SURE, MAYBE), "github: acme/infra"),
    ],
)
def test_a_fault_is_said_once_with_what_to_do(
    config: Config, part: str, faults: tuple[ForgeFault, ...], name: str
) -> None:
    client = Client()
    setattr(client, part, faults)
    assert lines(config, client) == [
        ("failed", name, "it is broken", "Mend it"),
        ("warning", name, "it may be broken", "Look at it"),
    ]


def test_what_a_branch_alone_lacks_is_said_of_its_repository(config: Config) -> None:
    client = Client()
    client.lacks_on = ("event `merge_group`",)
    [(state, name, found, advice)] = lines(config, client)
    assert (state, name, found) == ("failed", "github: acme/infra", "lacking: event `merge_group`")
    assert advice == "Grant it on the forge. For an App, the owner of the installation must accept it"


def test_a_webhook_that_can_not_be_asked_for_takes_nothing_else_away(config: Config) -> None:
    class Silent(Client):
        def hook_faults(self, repos: Sequence[RepoRef], url: str) -> tuple[ForgeFault, ...]:
            raise ForgeRefused("github refused the App's webhook")

    assert lines(config, Silent()) == [
        ("warning", "github: webhook", "github refused the App's webhook", "Look at it on the forge")
    ]
