"""Destinations in plangate.yml: their secrets come from the environment, and what is wrong is said."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from bot.config import Config
from bot.domain.errors import ConfigError
from bot.domain.notifications.destinations import USUAL_TRIGGERS, Destination, DestinationKind, Trigger
from bot.services.ports import Mailbox, MailServer
from bot.wiring import configured

SLACK = "https://hooks.slack.com/services/T0/B0/s3cr3t"
TEAMS = "https://x.webhook.office.com/workflows/1?api-version=1&sig=s3cr3tsig"


def read(folder: Path, entries: str, **env: str) -> Config:
    path = folder / "plangate.yml"
    path.write_text(f"workspaces: [{{name: a, repo: acme/a}}]\nnotifications:\n{entries}\n")
    return configured(
        {
            "PLANGATE_CONFIG": str(path),
            "PLANGATE_DATA": str(folder),
            "PLANGATE_URL": "https://plangate.test",
            "PLANGATE_SECRET_KEY": "A" * 43 + "=",
            "PLANGATE_GITHUB_TOKEN": "token",
            "PLANGATE_GITHUB_WEBHOOK_SECRET": "hook",
            **env,
        }
    )


def test_each_kind_is_read_and_no_secret_is_in_a_repr(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("the key\n")
    config = read(
        tmp_path,
        """
  ops: {kind: slack, url_env: OPS_SLACK, tags: [production], exclude: ["x-*"], gather: 2m}
  room: {kind: teams, url_env: ROOM}
  bot: {kind: webhook, url: https://bot.example.com/in, key_env: BOT_KEY, triggers: [applied]}
  mail: {kind: email, to: [ops@example.com], workspaces: [a], remind_after: 2d}
""",
        OPS_SLACK=SLACK,
        ROOM=TEAMS,
        BOT_KEY_FILE=str(tmp_path / "key"),
        PLANGATE_SMTP="smtps://me:p%40ss@mail.example.com",
        PLANGATE_SMTP_FROM="plangate@example.com",
    )
    found = config.notifications
    day = timedelta(hours=24)
    assert found.destinations == (
        Destination(
            "ops", DestinationKind.SLACK, tags=("production",), exclude=("x-*",), gather=timedelta(minutes=2)
        ),
        Destination("room", DestinationKind.TEAMS, USUAL_TRIGGERS, gather=timedelta(seconds=30)),
        Destination("bot", DestinationKind.WEBHOOK, (Trigger.APPLIED,), gather=timedelta()),
        Destination("mail", DestinationKind.EMAIL, workspaces=("a",), remind_after=2 * day),
    )
    assert found.mailboxes == {
        "ops": Mailbox(SLACK),
        "room": Mailbox(TEAMS),
        "bot": Mailbox("https://bot.example.com/in", "the key"),
        "mail": Mailbox(to=("ops@example.com",)),
    }
    assert found.mail_server == MailServer(
        "mail.example.com", 465, "plangate@example.com", True, "me", "p@ss"
    )
    for secret in ("s3cr3t", "the key", "p@ss"):
        assert secret not in repr(config) and secret not in repr(found)


@pytest.mark.parametrize(
    ("entry", "env", "why"),
    [
        ("{kind: slack}", {}, "needs `url_env`, because its kind is slack"),
        ("{kind: slack, url: 'https://x.test/a'}", {}, "its address is a secret, write `url_env`"),
        ("{kind: slack, url_env: 'https://x.test/a'}", {}, "must be the name of an environment variable"),
        (f"{{kind: webhook, url: '{SLACK}', key_env: K}}", {"K": "k"}, "looks like a secret"),
        ("{kind: slack, url_env: OPS}", {}, "OPS: is not set, and plangate.yml names it"),
        ("{kind: slack, url_env: OPS}", {"OPS": "http://x.test/s3cr3t"}, "OPS: is not an address"),
        ("{kind: slack, url_env: OPS}", {"OPS": "https://me:s3cr3t@x.test/"}, "OPS: is not an address"),
        ("{kind: webhook, url: 'https://x.test'}", {}, "needs `key_env`, because its kind is webhook"),
        ("{kind: webhook, url: 'http://x.test', key_env: K}", {"K": "k"}, "is not encrypted"),
        ("{kind: email}", {}, "needs `to`, because its kind is email"),
        ("{kind: email, to: [ops]}", {}, "`ops` is not an e-mail address"),
        ("{kind: email, to: ['a@x.test, b@x.test']}", {}, "is not an e-mail address"),
        ("{kind: email, to: [a@x.test]}", {}, "PLANGATE_SMTP: is not set: the destination ops"),
        ("{kind: email, to: [a@x.test]}", {"PLANGATE_SMTP": "mail:25"}, "PLANGATE_SMTP: is not valid"),
        (
            "{kind: email, to: [a@x.test]}",
            {"PLANGATE_SMTP": "smtp://mail.test"},
            "PLANGATE_SMTP_FROM: is not set",
        ),
        ("{kind: irc}", {}, "`irc` is not known"),
        ("{kind: slack, url_env: OPS, triggers: [planned]}", {"OPS": SLACK}, "`planned` is not known"),
        ("{kind: slack, url_env: OPS, gather: 2d}", {"OPS": SLACK}, "must be from 0s to 24h"),
        ("{kind: slack, url_env: OPS, remind_after: 1s}", {"OPS": SLACK}, "must be from 1m to 60d"),
        ("{kind: slack, url_env: OPS, to: [a@x.test]}", {"OPS": SLACK}, "does not belong to the kind slack"),
    ],
)
def test_what_is_wrong_is_said_without_secrets(
    tmp_path: Path, entry: str, env: dict[str, str], why: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        read(tmp_path, f"  ops: {entry}", **env)
    assert why in str(caught.value)
    assert "s3cr3t" not in str(caught.value)


def test_a_worker_of_a_pool_needs_no_address_and_no_key(tmp_path: Path) -> None:
    config = read(tmp_path, "  ops: {kind: slack, url_env: OPS_SLACK}", PLANGATE_POOL="production")
    assert [each.name for each in config.notifications.destinations] == ["ops"]
    assert config.notifications.mailboxes == {}
