"""The real terraform drives Plangate by its `cloud` block: init, plan, apply, output."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from bot.domain.people.accounts import Account
from bot.domain.people.permissions import Person, Role
from tests.support.cloud_cli import CloudCli, terraform_on_path
from tests.support.journeys import ROOMS, Journey, manifest, resource

pytestmark = pytest.mark.e2e

OUTPUT = 'output "word" {\n  value = terraform_data.one.output\n}\n'


@pytest.fixture(scope="module")
def journey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Journey]:
    if terraform_on_path() is None:
        pytest.skip("there is no terraform on PATH")
    # Nothing of a forge is of interest here, so nothing is asked of it.
    text = manifest(ROOMS[:1])
    calm = {"PLANGATE_CATCH_UP_CALLS": "0", "PLANGATE_SWEEP_SECONDS": "5"}
    with Journey(tmp_path_factory.mktemp("cli"), text, PLANGATE_OWNERS="ana", **calm) as found:
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
    assert "already been applied" in " ".join(again.text.split())
    refused = mine.run("apply", "stale.bin")
    assert refused.code == 1
    assert "can no longer be applied" in " ".join(refused.text.replace("│", " ").split())

    document = mine.run("show", "-json", "stale.bin")
    assert document.code == 0, document.text
    assert '"resource_changes"' in document.text
    refreshed = mine.run("apply", "-refresh-only", "-auto-approve")
    assert refreshed.code == 0, refreshed.text
    assert mine.run("plan", "-refresh=false", "-detailed-exitcode").code == 0
