"""Which queues a worker works on, and what is said of a pool that there is not."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from bot.cli import cli
from bot.cli.server.worker import _queues
from bot.domain.errors import ConfigError


def call(folder: Path, *words: str, pool: str = "production") -> Result:
    path = folder / "plangate.yml"
    path.write_text(f"workspaces: [{{name: a, repo: acme/a, pool: {pool}}}]\n")
    settings = {
        "PLANGATE_CONFIG": str(path),
        "PLANGATE_DATA": str(folder),
        "PLANGATE_URL": "https://plangate.test",
        "PLANGATE_SECRET_KEY": "A" * 43 + "=",
        "PLANGATE_GITHUB_TOKEN": "token",
        "PLANGATE_GITHUB_WEBHOOK_SECRET": "hook",
        "PLANGATE_POOL": None,
    }
    return CliRunner(env=settings).invoke(cli, ["worker", *words])


def test_a_pool_has_queues_of_runs_of_its_own() -> None:
    assert _queues("", "") == ["receive", "report", "apply", "plan", "preview"]
    assert _queues("", "production") == ["apply:production", "plan:production", "preview:production"]
    assert _queues("plan, apply", "production") == ["plan:production", "apply:production"]


def test_a_pool_that_no_workspace_has_is_refused(tmp_path: Path) -> None:
    done = call(tmp_path, "--pool", "prodction")
    assert isinstance(done.exception, ConfigError)
    assert "no workspace of plangate.yml has the pool prodction; did you mean `production`?" in str(
        done.exception
    )


@pytest.mark.parametrize("words", [("--pool", "production", "--queues", "receive"), ("--queues", "plans")])
def test_a_queue_that_there_is_not_is_refused(tmp_path: Path, words: tuple[str, ...]) -> None:
    done = call(tmp_path, *words)
    assert (done.exit_code, "there is no queue" in done.output) == (2, True)


def test_a_name_that_is_no_pool_is_refused(tmp_path: Path) -> None:
    done = call(tmp_path, pool="'a b'")
    assert isinstance(done.exception, ConfigError)
    assert "`a b` is not a valid pool: lower-case letters" in str(done.exception)
