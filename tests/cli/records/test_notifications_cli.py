"""`plangate notifications`: a test against a receiver of the test's own, and the log of it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from bot.cli import cli
from bot.domain.errors import NotFound
from tests.support.receivers import http_receiver

SETTINGS = {
    "PLANGATE_URL": "https://plangate.test",
    "PLANGATE_SECRET_KEY": "A" * 43 + "=",
    "PLANGATE_GITHUB_TOKEN": "token",
    "PLANGATE_GITHUB_WEBHOOK_SECRET": "hook",
    "REDIS_URL": "unix:///nowhere/redis.sock",
    "CHAT": "",
}


def call(folder: Path, url: str, *words: str) -> Result:
    path = folder / "plangate.yml"
    path.write_text(
        "workspaces: [{name: a, repo: acme/a}]\n"
        "notifications: {chat: {kind: slack, url_env: CHAT, tags: [production]}}\n"
    )
    settings = {**SETTINGS, "PLANGATE_CONFIG": str(path), "PLANGATE_DATA": str(folder), "CHAT": url}
    return CliRunner(env=settings).invoke(cli, ["notifications", *words])


def test_a_destination_is_listed_tested_and_logged(tmp_path: Path) -> None:
    with http_receiver() as receiver:
        url = f"{receiver.url}/services/s3cr3t"
        listed = call(tmp_path, url, "list")
        assert "chat  slack  needs_attention, errored, policy_failed, drifted  production" in listed.output
        (only,) = json.loads(call(tmp_path, url, "list", "--json").stdout)
        assert (only["name"], only["tags"]) == ("chat", ["production"])
        assert call(tmp_path, url, "log").output == "no messages yet\n"

        done = call(tmp_path, url, "test", "chat")
        assert (done.exit_code, "  ok  200 OK" in done.stdout) == (0, True), done.output
        assert [call.path for call in receiver.calls] == ["/services/s3cr3t"]

        receiver.status = 404
        refused = call(tmp_path, url, "test", "chat")
        assert (refused.exit_code, "failed  it answered 404" in refused.stdout) == (1, True)

        entries = json.loads(call(tmp_path, url, "log", "--json", "--destination", "chat").stdout)
        assert [entry["state"] for entry in entries] == ["waiting", "sent"]
        assert entries[1]["attempts"][0]["answer"] == "200 OK"
        outputs = (listed, done, refused, call(tmp_path, url, "log"))
        assert not any("s3cr3t" in each.output for each in outputs)


def test_a_destination_that_is_not_there_is_named(tmp_path: Path) -> None:
    done = call(tmp_path, "https://x.test/y", "test", "nowhere")
    assert isinstance(done.exception, NotFound)
    assert "no destination nowhere under `notifications:`" in str(done.exception)


@pytest.mark.parametrize("limit", ["0", "1001", "x"])
def test_a_limit_is_a_number(tmp_path: Path, limit: str) -> None:
    assert call(tmp_path, "https://x.test/y", "log", "--limit", limit).exit_code == 2
