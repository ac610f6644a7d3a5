"""`plangate sync`, `replay`, `migrate` and `keys rotate`: what whoever runs the server does leaves a line."""

from __future__ import annotations

import stat
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from bot.cli import cli, loading
from bot.domain.changes.delivery_decisions import DecisionKind, DeliveryDecision
from bot.domain.errors import ConfigError
from bot.domain.people.audit import AuditAction
from bot.services.ports import AuditQuery, Delivery
from bot.vault import generate_key
from tests.support import databases

AT = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)


class Operator:
    """Whoever runs the server, at its command line."""

    def __init__(self, folder: Path) -> None:
        self.manifest = folder / "plangate.yml"
        self.name_workspaces("network", "app")

    def name_workspaces(self, *names: str) -> None:
        lines = [f"  - {{name: {name}, repo: acme/infra, working_directory: {name}}}\n" for name in names]
        self.manifest.write_text("workspaces:\n" + "".join(lines))

    def type(self, *words: str) -> str:
        done = CliRunner().invoke(cli, words, catch_exceptions=False)
        assert done.exit_code == 0, done.output
        return done.stdout

    @property
    def store(self) -> Any:
        return loading.ready(loading.configuration())[0].store

    def lines(self, deed: AuditAction) -> list[tuple[str, str, str]]:
        with self.store.reading() as tx:
            found = tx.audit.find(AuditQuery(deed=deed.value))
        assert {line.via.value for line in found} <= {"command line"}
        return [(line.login, line.subject, line.detail) for line in reversed(found)]


@pytest.fixture
def operator(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Operator:
    settings = {
        "PLANGATE_CONFIG": str(tmp_path / "plangate.yml"),
        "PLANGATE_DATA": str(databases.data_folder(tmp_path / "data")),
        "PLANGATE_URL": "https://plangate.test",
        "PLANGATE_SECRET_KEY": generate_key(),
        "PLANGATE_GITHUB_TOKEN": "token",
        "PLANGATE_GITHUB_WEBHOOK_SECRET": "hook",
        "REDIS_URL": "redis://127.0.0.1:1/0",
        "LOGNAME": "ops",
    }
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    return Operator(tmp_path)


def test_a_sync_says_what_it_did_and_other_commands_say_nothing(operator: Operator) -> None:
    operator.type("sync")
    operator.type("runs", "list")
    operator.name_workspaces("network")
    assert "retired  app" in operator.type("sync")
    assert operator.lines(AuditAction.SYNC) == [
        ("cli:ops", "", "workspaces kept: 2"),
        ("cli:ops", "", "workspaces kept: 1; retired app"),
    ]


def test_a_migration_leaves_a_line_where_it_did_something(operator: Operator, tmp_path: Path) -> None:
    (tmp_path / "data" / "plangate.db").unlink()
    assert "applied" in operator.type("migrate")
    assert "up to date" in operator.type("migrate")
    [(login, _, detail)] = operator.lines(AuditAction.MIGRATE)
    assert login == "cli:ops" and detail.startswith("0001, ")


def test_a_data_folder_that_is_not_there_is_created_for_its_user_alone(
    operator: Operator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "var" / "plangate"
    monkeypatch.setenv("PLANGATE_DATA", str(folder))
    operator.type("migrate")
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


@pytest.mark.parametrize("command", [["migrate"], ["states", "list", "network"]])
def test_a_data_folder_that_can_t_be_created_is_named_with_the_way_out(
    operator: Operator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: list[str]
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("PLANGATE_DATA", str(tmp_path / "file" / "below"))
    with pytest.raises(ConfigError, match=r"can't create the folder .*/below: Not a directory. Create it"):
        operator.type(*command)


def test_a_rotation_leaves_a_line_before_it_and_one_after(
    operator: Operator, monkeypatch: pytest.MonkeyPatch
) -> None:
    with operator.store.transaction() as tx:
        tx.deliveries.add(Delivery("d-1", "github", "ping", {}, b"{}", AT, handled_at=AT))
    monkeypatch.setenv("PLANGATE_SECRET_KEY", f"{generate_key()},{loading.configuration().secret_keys[0]}")
    operator.type("keys", "rotate")
    assert [detail for _, _, detail in operator.lines(AuditAction.ROTATE_KEYS)] == [
        "begun, with 2 keys",
        "encrypted again: 2; no key decrypts: 0",
    ]


def test_a_replay_handles_what_failed_and_leaves_a_line(operator: Operator) -> None:
    with operator.store.transaction() as tx:
        for name in ("d-bad", "d-good"):
            tx.deliveries.add(Delivery(name, "github", "star", {}, b"{}", AT))
        tx.deliveries.handled(
            "d-bad", AT, [DeliveryDecision(DecisionKind.FAILED, "gave up")], "the forge refused"
        )
        tx.deliveries.handled("d-good", AT, [DeliveryDecision(DecisionKind.NOTHING, "a ping")])
    assert operator.type("replay", "d-good") == "nothing: a ping\n"
    assert "nothing: " in operator.type("replay", "d-bad")
    assert operator.lines(AuditAction.REPLAY) == [("cli:ops", "d-bad", "the forge refused")]
