"""The real terraform drives Plangate by its `cloud` block: init, plan, apply, output."""

from __future__ import annotations

import contextlib
import json
import os
import re
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from bot.domain.people.accounts import Account
from bot.domain.people.origins import Origin, Via
from bot.domain.people.permissions import Person, Role
from bot.domain.runs.lifecycle import RunStatus
from tests.support.cloud_cli import CloudCli, bundled_terraform, terraform_on_path
from tests.support.https_front import HttpsFront
from tests.support.journeys import ROOMS, Journey, manifest, resource

pytestmark = pytest.mark.e2e

OUTPUT = 'output "word" {\n  value = terraform_data.one.output\n}\n'
SETS = """
policy_sets:
  - {name: house, folder: rules, workspaces: [judged], owners: [ana]}
"""
POLICIES = "\n".join(
    f'policy "{name}" {{\n  query = "data.house.{name}"\n  enforcement_level = "{level}"\n}}\n'
    for name, level in (("careful", "soft-mandatory"), ("never", "hard-mandatory"))
)
RULES = """package house

values contains change.change.after.input if some change in input.plan.resource_changes

careful contains "be careful" if "careful" in values

never contains "never do this" if "never" in values
"""


@pytest.fixture(scope="module")
def journey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Journey]:
    if terraform_on_path() is None:
        pytest.skip("there is no terraform on PATH")
    # Nothing of a forge is of interest here, so nothing is asked of it.
    root = tmp_path_factory.mktemp("cli")
    (root / "rules").mkdir()
    (root / "rules" / "policies.hcl").write_text(POLICIES)
    (root / "rules" / "house.rego").write_text(RULES)
    text = manifest(ROOMS[:1], SETS)
    calm = {"PLANGATE_CATCH_UP_CALLS": "0", "PLANGATE_SWEEP_SECONDS": "5"}
    with Journey(root, text, PLANGATE_OWNERS="ana", **calm) as found:
        found.repo()
        yield found


@pytest.fixture(scope="module")
def cli(journey: Journey) -> CloudCli:
    token = journey.services.tokens.make(Account("github", "ana"), Person("ana", Role.NONE), "cli", "admin")
    program = terraform_on_path()
    assert program is not None
    return CloudCli(program, journey.stage.root / "laptop", journey.stage.url, token)


def test_init_plan_and_applies_go_through_plangate(cli: CloudCli, journey: Journey) -> None:
    cli.write(resource("one", "first") + OUTPUT)
    inited = cli.run("init")
    assert inited.code == 0, inited.text
    assert "HCP Terraform has been successfully initialized" in inited.text
    with journey.services.store.reading() as tx:
        made = tx.workspaces.named("app")
    assert made.made_by_api

    planned = cli.run("plan")
    assert planned.code == 0, planned.text
    assert "1 to add" in planned.text
    assert "/app/plangate/app/runs/run-" in planned.text

    applied = cli.run("apply", "-auto-approve")
    assert applied.code == 0, applied.text
    assert "Apply complete! Resources: 1 added" in applied.text
    shown = cli.run("output", "word")
    assert (shown.code, shown.text.strip()) == (0, '"first"')

    cli.write(resource("one", "second") + OUTPUT)
    refused = cli.run("apply", answer="no\n")
    assert refused.code == 1, refused.text
    assert "1 to change" in refused.text or "0 to destroy" in refused.text
    assert cli.run("output", "-raw", "word").text == "first"

    confirmed = cli.run("apply", answer="yes\n")
    assert confirmed.code == 0, confirmed.text
    assert "Apply complete!" in confirmed.text
    assert cli.run("output", "-raw", "word").text == "second"

    broken = CloudCli(cli.program, cli.folder.parent / "broken", cli.url, cli.token)
    broken.write('resource "terraform_data" "bad" {\n  input = var.missing\n}\n')
    assert broken.run("init").code == 0
    failed = broken.run("plan")
    assert failed.code == 1, failed.text
    assert "Reference to undeclared input variable" in failed.text

    destroyed = cli.run("destroy", "-auto-approve")
    assert destroyed.code == 0, destroyed.text
    assert "1 destroyed" in destroyed.text


def test_a_saved_plan_in_a_project_is_shown_and_applied_once(cli: CloudCli, journey: Journey) -> None:
    mine = CloudCli(cli.program, cli.folder.parent / "saved", cli.url, cli.token)
    secret = 'output "word" {\n  value     = "s3cret-word"\n  sensitive = true\n}\n'
    there = 'name = "saved"\n      project = "payments"'
    mine.write(resource("one", "first") + secret, there)
    inited = mine.run("init")
    assert inited.code == 0, inited.text
    with journey.services.store.reading() as tx:
        assert tx.workspaces.named("saved").project == "payments"

    planned = mine.run("plan", "-out=plan.bin")
    assert planned.code == 0, planned.text
    stale = mine.run("plan", "-out=stale.bin")
    assert stale.code == 0, stale.text
    shown = mine.run("show", "plan.bin")
    assert shown.code == 0, shown.text
    assert "terraform_data.one will be created" in shown.text
    assert "1 to add, 0 to change, 0 to destroy" in shown.text
    assert "s3cret-word" not in shown.text

    applied = mine.run("apply", "plan.bin")
    assert applied.code == 0, applied.text
    assert "Apply complete! Resources: 1 added" in applied.text
    again = mine.run("apply", "plan.bin")
    assert again.code == 1
    assert "Saved plan is already applied" in again.text
    refused = mine.run("apply", "stale.bin")
    assert refused.code == 1
    assert "can no longer be applied" in " ".join(refused.text.replace("│", " ").split())

    document = mine.run("show", "-json", "stale.bin")
    assert document.code == 0, document.text
    assert '"resource_changes"' in document.text
    refreshed = mine.run("apply", "-refresh-only", "-auto-approve")
    assert refreshed.code == 0, refreshed.text
    assert mine.run("plan", "-refresh=false", "-detailed-exitcode").code == 0


def test_login_over_https_gets_a_token(cli: CloudCli, journey: Journey, tmp_path: Path) -> None:
    services = journey.services
    session = services.sessions.begin(Account("github", "ana"))
    browser = httpx.Client(headers={"Cookie": f"plangate_session={session}"}, timeout=30)
    # The CLI opens a browser by this program. It leaves the address for the test.
    (tmp_path / ".terraform.d").mkdir()
    opened = tmp_path / "opened"
    program = tmp_path / "bin" / "xdg-open"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\necho "$1" > {opened}.part && mv {opened}.part {opened}\n')
    program.chmod(0o755)
    with HttpsFront(tmp_path, journey.stage.url) as front:
        variables = {
            "PATH": f"{program.parent}:{os.environ['PATH']}",
            "HOME": str(tmp_path),
            "SSL_CERT_FILE": str(front.certificate),
            "CHECKPOINT_DISABLE": "1",
        }
        asking = subprocess.Popen(
            [*cli.command, "login", front.host],
            cwd=tmp_path,
            env=variables,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        try:
            assert asking.stdin is not None
            asking.stdin.write("yes\n")
            asking.stdin.flush()
            journey.until(lambda: opened.exists() or asking.poll() is not None or None, "the browser")
            assert asking.poll() is None, asking.communicate()[0]
            asked = urlsplit(opened.read_text().strip())
            assert f"https://{front.host}" == f"{asked.scheme}://{asked.netloc}"
            at = f"{journey.stage.url}{asked.path}?{asked.query}"
            page = browser.get(at).text
            token = re.search(r'name="form_token" value="([0-9a-f]{64})"', page)
            assert token, page
            form = {"form_token": token[1], "answer": "allow", "scope": "admin"}
            back = browser.post(at, data=form).headers["Location"]
            assert back.startswith("http://localhost:100")
            # The CLI listens there, and may end before it has answered.
            with contextlib.suppress(httpx.RemoteProtocolError):
                httpx.get(back, timeout=30)
            said, _ = asking.communicate(timeout=60)
        finally:
            asking.kill()
        assert asking.returncode == 0, said
        kept = json.loads((tmp_path / ".terraform.d" / "credentials.tfrc.json").read_text())
        secret = kept["credentials"][front.host]["token"]
    assert services.tokens.holder(secret).account.login == "ana"


@pytest.mark.parametrize(
    "program",
    [
        pytest.param(bundled_terraform(), id="bundled"),
        pytest.param((terraform_on_path() or "",), id="path", marks=pytest.mark.soak),
    ],
)
def test_services_are_found_over_https(
    cli: CloudCli, journey: Journey, tmp_path: Path, program: Sequence[str], request: pytest.FixtureRequest
) -> None:
    with HttpsFront(tmp_path, journey.stage.url) as front:
        at = f"https://{front.host}"
        mine = CloudCli(program, tmp_path / "laptop", at, cli.token, front.certificate)
        mine.write(resource("one", "safe") + OUTPUT, f'name = "https-{request.node.callspec.id}"')
        inited = mine.run("init")
        assert inited.code == 0, inited.text
        planned = mine.run("plan", "-detailed-exitcode")
        assert planned.code == 2, planned.text
        assert "1 to add" in planned.text
        applied = mine.run("apply", "-auto-approve")
        assert applied.code == 0, applied.text
        assert "Apply complete! Resources: 1 added" in applied.text
        assert mine.run("output", "-raw", "word").text == "safe"

        # Without the certificate, nothing is asked.
        stranger = CloudCli(program, mine.folder, at, cli.token, cli.folder / "cli.tfrc")
        refused = stranger.run("plan")
        assert refused.code == 1
        assert "certificate" in refused.text


def test_policies_speak_in_the_cli_and_are_never_overridden_by_it(cli: CloudCli, journey: Journey) -> None:
    mine = CloudCli(cli.program, cli.folder.parent / "judged", cli.url, cli.token)
    mine.write(resource("one", "careful"), 'name = "judged"')
    assert mine.run("init").code == 0
    planned = mine.run("plan")
    assert planned.code == 1, planned.text
    assert "FAIL house/careful (soft-mandatory)" in planned.text
    assert "be careful" in planned.text
    assert "Organization Policy Check soft failed." in planned.text

    applied = mine.run("apply", "-auto-approve")
    assert applied.code == 1, applied.text
    assert "Organization Policy Check soft failed." in applied.text
    with journey.services.store.reading() as tx:
        (held,) = tx.runs.queue(tx.workspaces.named("judged").id)
    assert held.status is RunStatus.POLICY_OVERRIDE
    ana = Person("ana", Role.OWNER, Origin(Via.PAGE, "github"))
    journey.services.controls.override(held.id, ana, "it is fine")
    assert journey.until(lambda: _ended(journey, held.id), "the end of the apply") is RunStatus.APPLIED

    mine.write(resource("one", "never"), 'name = "judged"')
    refused = mine.run("apply", "-auto-approve")
    assert refused.code == 1, refused.text
    assert "FAIL house/never (hard-mandatory)" in refused.text
    assert "Organization Policy Check hard failed." in refused.text

    mine.write(resource("one", "fine"), 'name = "judged"')
    passed = mine.run("apply", "-auto-approve")
    assert passed.code == 0, passed.text
    assert "PASS house/never (hard-mandatory)" in passed.text
    assert "Apply complete!" in passed.text


@pytest.mark.soak
def test_tags_that_are_a_map_choose_workspaces_of_a_project(cli: CloudCli, journey: Journey) -> None:
    mine = CloudCli(cli.program, cli.folder.parent / "mapped", cli.url, cli.token)
    there = 'project = "platform"\n      tags    = { env = "live" }'
    mine.write(resource("one", "first"), there)
    inited = mine.run("init", answer="mapped\n")
    assert inited.code == 0, inited.text
    with journey.services.store.reading() as tx:
        made = tx.workspaces.named("mapped")
    assert (made.project, made.details.bindings) == ("platform", (("env", "live"),))
    assert mine.run("workspace", "new", "second").code == 0
    listed = mine.run("workspace", "list")
    assert {"mapped", "second"} <= set(listed.text.replace("*", " ").split())
    assert mine.run("plan").code == 0


def _ended(journey: Journey, run_id: str) -> RunStatus | None:
    """Return how a run ended, None while it has not."""
    with journey.services.store.reading() as tx:
        run = tx.runs.get(run_id)
    assert run.status is not RunStatus.ERRORED, run.error
    return run.status if run.final else None
