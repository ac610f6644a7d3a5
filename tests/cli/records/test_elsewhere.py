"""Commands that ask a server elsewhere: the same output as on its own machine, scopes, addresses, tokens."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from bot.domain.errors import ConfigError, Forbidden, Invalid, NotFound
from bot.domain.events import Change
from bot.domain.people.audit import AuditAction, AuditEntry
from bot.domain.people.origins import Via
from bot.domain.people.permissions import Role
from bot.domain.plans.plan import Counts
from bot.domain.runs.lifecycle import RunStatus, StageStatus
from bot.services.ports import ArtifactKind, AuditQuery, ChangeRecord
from tests.cli.records.conftest import REPO, Site, Terminal

ROOT = Path(__file__).parents[3]
STATE = {
    "version": 4,
    "serial": 3,
    "lineage": "lin-1",
    "terraform_version": "1.9.5",
    "outputs": {
        "zones": {"value": ["a", "b"], "type": ["list", "string"]},
        "password": {"value": "hunter2", "type": "string", "sensitive": True},
    },
    "resources": [
        {"type": "aws_vpc", "name": "main\x1b[2J", "provider": "p", "instances": [{"attributes": {}}, {}]}
    ],
}
PAGE = "https://github.com/acme/infra/pull/7"


@pytest.fixture
def there(terminal: Terminal, site: Site, monkeypatch: pytest.MonkeyPatch) -> Terminal:
    monkeypatch.setenv("PLANGATE_TOKEN", terminal.token("admin"))
    return terminal.elsewhere(site)


@pytest.fixture
def full(terminal: Terminal, tmp_path: Path) -> dict[str, str]:
    """A database with something of everything; the names by which the commands ask for it."""
    first = terminal.json(
        "runs", "queue", "network", "-m", "Look \x1b[31m\x9b\U000e0001 for drift", "--destroy"
    )
    second = terminal.json("runs", "queue", "app")
    terminal.json("runs", "queue", "network")
    for serial in (3, 4):
        (tmp_path / "a.tfstate").write_text(json.dumps({**STATE, "serial": serial}))
        terminal.type("states", "push", "app", str(tmp_path / "a.tfstate"))
    change = {"actions": ["create"], "before": None, "after": {"note": "a\x1b[2Jb"}}
    resource = {"address": "a.b", "mode": "managed", "type": "a", "name": "b", "change": change}
    plan = {
        "format_version": "1.2",
        "resource_changes": [resource],
        "configuration": {
            "root_module": {"resources": [{"address": "a.b", "provisioners": [{"type": "local-exec"}]}]}
        },
    }
    with terminal.services.store.transaction() as tx:
        tx.artifacts.put(second["id"], ArtifactKind.PLAN_JSON, json.dumps(plan).encode())
        tx.artifacts.append_output(
            second["id"], "plan", "\x1b[1mFirst\x1b[0m\r\nSecond \x1b]0;title\x07\nlast"
        )
        workspace = tx.workspaces.named("app")
        asked = datetime(2026, 11, 24, 12, tzinfo=UTC)
        about = Change(REPO, 7, "Third zone", "ana", "c" * 40, "zones", "live", False, PAGE)
        tx.changes.put(
            ChangeRecord("chg-7", about, (workspace.id,), asked, reasons=(("app", "app/a.tf is in app"),))
        )
    terminal.forge.add_change(about)
    terminal.put(
        second["id"],
        status=RunStatus.PLANNED,
        plan_status=StageStatus.FINISHED,
        has_changes=True,
        counts=Counts(1, 0, 2),
        delta="the plan \x1b[2J moved",
        error="Error: one\n\x9bmore",
    )
    terminal.type("workspaces", "lock", "network", "the freeze")
    terminal.type("variables", "set", "app", "region", "--value", "eu\nwest")
    terminal.type("variables", "set", "app", "TOKEN", "--env", "--value", "hunter3", "--sensitive")
    terminal.type("variables", "set", "app", "KEY", "--env", "--value", "x", "--phase", "apply")
    terminal.type("variables", "sets", "put", "common", "--global")
    terminal.type("variables", "set", "--set", "common", "region", "--value", "us")
    versions = terminal.json("states", "list", "app")
    return {"RUN": first["id"], "SECOND": second["id"], "VERSION": versions[1]["id"]}


QUESTIONS = (
    "runs list",
    "runs list app",
    "runs list --status pending --status planned --limit 2",
    "runs list --status applied",
    "runs show RUN",
    "runs show SECOND",
    "runs show SECOND --plan",
    "runs show RUN --plan",
    "workspaces list",
    "variables list app",
    "variables list network",
    "states list app",
    "states list app --limit 1",
    "states list network",
    "states show app",
    "states show app VERSION",
    "why RUN",
    "why SECOND",
    "why acme/infra#7",
    "why github:acme/infra!7",
    f"why {PAGE}/files",
    "why chg-7",
)


@pytest.fixture
def named(full: dict[str, str]) -> Any:
    return lambda line: [full.get(word, word) for word in line.split()]


def test_every_question_has_the_same_answer_on_the_servers_machine_and_on_another(
    terminal: Terminal, there: Terminal, named: Any
) -> None:
    for line in QUESTIONS:
        words = named(line)
        shown, json_here = terminal.type(*words), terminal.json(*words)
        assert there.type(*words) == shown, line
        assert there.json(*words) == json_here, line
        assert not {c for c in shown + there.type(*words, "--json") if not c.isprintable()} - set("\n\t"), (
            line
        )


def test_output_and_states_are_the_same_bytes(
    terminal: Terminal, there: Terminal, full: dict[str, str]
) -> None:
    run = full["SECOND"]
    for words in (("runs", "logs", run), ("runs", "logs", run, "--stage", "plan")):
        shown = there.type(*words)
        assert shown == terminal.type(*words)
        assert shown == "First\nSecond \\u001b]0;title\\u0007\nlast\n"
    assert there.type("runs", "logs", run, "--stage", "apply") == ""
    for version in ((), (full["VERSION"],)):
        data = there.run("states", "download", "app", *version)
        assert data.stdout_bytes == terminal.run("states", "download", "app", *version).stdout_bytes
        assert b"hunter2" in data.stdout_bytes


def test_a_downloaded_state_is_written_to_a_new_file_of_this_user(
    there: Terminal, full: dict[str, str], tmp_path: Path
) -> None:
    place = tmp_path / "got.tfstate"
    there.type("states", "download", "app", "-o", str(place))
    assert (place.stat().st_mode & 0o777, json.loads(place.read_text())["serial"]) == (0o600, 4)
    assert there.run("states", "download", "app", "-o", str(place)).exit_code == 2


def test_variables_are_set_and_unset_and_secrets_stay_out_of_addresses(there: Terminal, site: Site) -> None:
    said = there.type("variables", "set", "app", "region", "--value", "eu", "--description", "where")
    assert said == "set terraform variable region of the workspace app; new runs get it\n"
    done = there.run("variables", "set", "app", "PASS", "--env", "--sensitive", "--stdin", stdin="hunter2\n")
    assert (done.exit_code, done.stdout.startswith("set env variable PASS")) == (0, True)
    # What is not given keeps its value.
    changed = there.json("variables", "set", "app", "region", "--value", "us", "--hcl")
    assert (changed["value"], changed["hcl"], changed["description"]) == ("us", True, "where")
    assert [one["value"] for one in there.json("variables", "list", "app")] == [None, "us"]
    with there.services.store.reading() as tx:
        stored = {
            it.variable.key: it.variable.value
            for it in tx.variables.of_workspace(tx.workspaces.named("app").id)
        }
    assert stored["PASS"] == "hunter2"
    assert there.json("variables", "unset", "app", "region") == {"unset": "region", "category": "terraform"}
    assert "no terraform variable region" in there.refused(NotFound, "variables", "unset", "app", "region")
    assert "hunter2" not in "".join(site.requests)


def test_a_set_and_what_needs_the_servers_settings_are_refused_with_the_way_there(there: Terminal) -> None:
    assert "use the page Variable sets" in there.refused(Invalid, "variables", "list", "--set", "common")
    for words in (
        ("states", "rollback", "app", "sv-1"),
        ("variables", "sets", "list"),
    ):
        assert "works only on the server's machine" in there.refused(ConfigError, *words)
    for word in ("web", "doctor", "keys", "sync"):
        done = there.run(word)
        assert (done.exit_code, "works with this machine's settings" in done.output) == (2, True)


# --- scopes -------------------------------------------------------------------------------------------------

ALLOWED = {
    "runs list": "read",
    "runs show SECOND --plan": "read",
    "runs logs SECOND": "read",
    "workspaces list": "read",
    "why acme/infra#7": "read",
    "runs queue app --plan-only": "plan",
    "runs discard RUN": "write",
    "workspaces lock app": "admin",
    "workspaces unlock app": "admin",
    "variables list app": "admin",
    "variables set app region --value eu": "admin",
    "variables unset app region": "admin",
    "states list app": "admin",
    "states show app": "admin",
    "states download app": "admin",
}
ORDER = ("read", "plan", "write", "admin")


@pytest.mark.parametrize("scope", ORDER)
def test_each_command_needs_its_scope(
    scope: str, terminal: Terminal, site: Site, named: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PLANGATE_TOKEN", terminal.token(scope))
    there = terminal.elsewhere(site)
    terminal.put(named("SECOND")[0], status=RunStatus.PLANNED_AND_FINISHED)
    for line, needed in ALLOWED.items():
        words = named(line)
        if ORDER.index(scope) >= ORDER.index(needed):
            there.type(*words)
        else:
            assert "needs" in there.refused(Forbidden, *words), line


@pytest.mark.parametrize("role", [Role.READ, Role.PLAN, Role.WRITE])
def test_the_scope_admin_gives_nobody_more_than_their_role(
    role: Role, terminal: Terminal, site: Site, full: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PLANGATE_TOKEN", terminal.token("admin", role))
    there = terminal.elsewhere(site)
    terminal.put(full["SECOND"], status=RunStatus.PLANNED_AND_FINISHED)
    there.type("variables", "list", "app")
    changes = (
        ("workspaces", "lock", "app"),
        ("variables", "set", "app", "region", "--value", "x"),
        ("states", "download", "app"),
    )
    for words in changes:
        if role is Role.WRITE:
            there.type(*words)
        else:
            assert "access to this repository" in there.refused(Forbidden, *words)
    terminal.type("workspaces", "unlock", "app", "--force") if role is Role.WRITE else None
    terminal.type("workspaces", "lock", "app", "mine")
    assert there.refused(Forbidden, "workspaces", "unlock", "app", "--force") != ""


def test_what_a_token_does_not_reach_is_not_there(
    terminal: Terminal, site: Site, full: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    there = terminal.elsewhere(site)
    monkeypatch.setenv("PLANGATE_TOKEN", terminal.token("admin", Role.ADMIN, "ops", "netw*"))
    assert {run["workspace"] for run in there.json("runs", "list")} == {"network"}
    assert [one["name"] for one in there.json("workspaces", "list")] == ["network"]
    for words in (
        ("runs", "show", full["SECOND"]),
        ("runs", "logs", full["SECOND"]),
        ("why", full["SECOND"]),
        ("variables", "list", "app"),
        ("states", "download", "app"),
        ("workspaces", "lock", "app"),
    ):
        hidden = there.refused(NotFound, *words).replace(full["SECOND"], "?").replace("app", "?")
        gone = [{"app": "nowhere", full["SECOND"]: "run-none"}.get(word, word) for word in words]
        assert there.refused(NotFound, *gone).replace("run-none", "?").replace("nowhere", "?") == hidden
    sections = there.json("why", "acme/infra#7")
    assert [one["name"] for one in (*sections["workspaces"], *sections["others"])] == ["network"]
    # Somebody without a role in the repository.
    monkeypatch.setenv("PLANGATE_TOKEN", terminal.token("admin", Role.NONE, "sam"))
    assert there.json("runs", "list") == there.json("workspaces", "list") == []
    hidden = there.refused(NotFound, "why", "acme/infra#7").replace(
        "change acme/infra#7", "change acme/infra#8"
    )
    assert there.refused(NotFound, "why", "acme/infra#8") == hidden


def test_reading_states_and_output_leaves_lines_in_the_audit_log(
    there: Terminal, full: dict[str, str]
) -> None:
    for words in (("states", "show", "app"), ("states", "download", "app"), ("runs", "logs", full["SECOND"])):
        there.type(*words)
    with there.services.store.reading() as tx:
        lines: list[AuditEntry] = [one for one in tx.audit.find(AuditQuery()) if one.via is Via.TOKEN]
    assert [line.deed for line in lines[:3]] == [
        AuditAction.READ_OUTPUT,
        AuditAction.DOWNLOAD_STATE,
        AuditAction.READ_STATE,
    ]
    assert {line.login for line in lines} == {"ops"}


# --- addresses and tokens -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("address", "why"),
    [
        ("http://plangate.example.com", "is plain http"),
        ("http://127.0.0.1.example.com", "is plain http"),
        ("https://ana:secret@plangate.example.com", "a name or a password"),
        ("plangate.example.com", "is not an address"),
        ("ftp://plangate.example.com", "is not an address"),
        ("https://", "is not an address"),
        ("https://[::1", "is not an address"),
        ("https://x:99999", "is not an address"),
        ("https://x/?a=b", "is not an address"),
    ],
)
def test_an_address_that_would_give_the_token_away_is_refused(
    terminal: Terminal, address: str, why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PLANGATE_TOKEN", "plangate_x")
    monkeypatch.setenv("PLANGATE_SERVER", address)
    assert why in terminal.refused(Invalid, "runs", "list")


def test_the_address_may_come_from_the_environment(
    terminal: Terminal, there: Terminal, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PLANGATE_SERVER", f"{site.url}/")
    assert [one["name"] for one in terminal.json("workspaces", "list")] == ["app", "network"]
    assert site.requests


def test_the_token_is_read_from_a_file_of_this_user_only(
    terminal: Terminal, site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    there = terminal.elsewhere(site)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.delenv("PLANGATE_TOKEN", raising=False)
    place = tmp_path / "config" / "plangate" / "token"
    said = there.refused(ConfigError, "runs", "list")
    assert str(place) in said and "No option takes a token" in said
    place.parent.mkdir(parents=True)
    secret = terminal.token("read")
    place.write_text(f"{secret}\n")
    for mode in (0o644, 0o640, 0o604, 0o620):
        place.chmod(mode)
        assert f"chmod 600 {place}" in there.refused(ConfigError, "runs", "list")
    place.chmod(0o600)
    assert there.json("runs", "list") == []
    for wrong in ("", "two words", "a\nb", "x" * 600, "\x1b[2J"):
        place.write_text(wrong)
        said = there.refused(ConfigError, "runs", "list")
        assert "must have only the token" in said
    place.unlink()
    place.mkdir()
    assert str(place) in there.refused(ConfigError, "runs", "list")


def test_what_the_server_says_of_a_token_is_told(
    terminal: Terminal, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PLANGATE_TOKEN", "plangate_wrong")
    said = terminal.elsewhere(site).refused(Forbidden, "runs", "list")
    assert "does not accept the token: this token does not exist" in said
    assert "plangate_wrong" not in said


def test_a_command_for_a_server_needs_no_settings_and_imports_no_server(
    site: Site, terminal: Terminal
) -> None:
    code = (
        "import sys; from bot.cli import cli; cli(sys.argv[1:], standalone_mode=False); "
        "print(*sys.modules, file=sys.stderr)"
    )
    environment = {
        "PATH": os.environ["PATH"],
        "PLANGATE_TOKEN": terminal.token("admin"),
        "PLANGATE_SERVER": site.url,
    }
    for words in (["runs", "list"], ["workspaces", "list", "--json"], ["variables", "list", "app"]):
        done = subprocess.run(
            [sys.executable, "-c", code, *words],
            cwd=ROOT,
            env=environment,
            capture_output=True,
            text=True,
            check=True,
        )
        loaded = done.stderr.splitlines()[-1].split()
        for module in ("bot.config", "bot.wiring", "bot.services", "bot.store", "sqlalchemy", "flask", "rq"):
            assert module not in loaded, (words, module)
