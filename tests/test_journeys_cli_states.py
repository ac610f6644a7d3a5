"""The real terraform changes states that Plangate keeps: each command under the workspace's one lock."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import pytest

from bot.domain.people.accounts import Account
from bot.domain.people.permissions import Person, Role
from tests.support.cloud_cli import CloudCli, terraform_on_path
from tests.support.journeys import ROOMS, Journey, manifest

pytestmark = pytest.mark.e2e

ANA = Person("ana", Role.OWNER)
TWO = """
resource "terraform_data" "one" {
  input = "1"
}

resource "terraform_data" "two" {
  input = "2"
}

output "key" {
  value     = terraform_data.one.output
  sensitive = true
}
"""


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


def good(cli: CloudCli, *argv: str, answer: str = "") -> str:
    done = cli.run(*argv, answer=answer)
    assert done.code == 0, f"terraform {' '.join(argv)}\n{done.text}"
    return done.text


def test_the_state_is_listed_changed_and_pushed_under_the_workspaces_lock(
    cli: CloudCli, journey: Journey
) -> None:
    cli.write(TWO)
    good(cli, "init")
    good(cli, "apply", "-auto-approve")
    assert good(cli, "output", "-raw", "key") == "1"
    assert good(cli, "state", "list").split() == ["terraform_data.one", "terraform_data.two"]
    first = json.loads(good(cli, "state", "pull"))

    good(cli, "taint", "terraform_data.one")
    good(cli, "untaint", "terraform_data.one")
    good(cli, "state", "mv", "terraform_data.two", "terraform_data.three")
    good(cli, "state", "rm", "terraform_data.three")
    assert good(cli, "state", "list").split() == ["terraform_data.one"]
    good(cli, "import", "terraform_data.two", "an-id")
    assert good(cli, "state", "list").split() == ["terraform_data.one", "terraform_data.two"]
    provider = "terraform.io/builtin/terraform"
    good(cli, "state", "replace-provider", "-auto-approve", provider, provider)

    (cli.folder / "old.tfstate").write_text(json.dumps(first))
    refused = cli.run("state", "push", "old.tfstate")
    assert refused.code == 1, refused.text
    good(cli, "state", "push", "-force", "old.tfstate")
    assert json.loads(good(cli, "state", "pull"))["resources"] == first["resources"]

    services = journey.services
    with services.store.reading() as tx:
        there = tx.workspaces.named("app")
        versions = tx.states.versions(there.id)
    # Nothing is left locked, each change is a version of its own, and each says who made it.
    assert there.lock is None
    assert [each.serial for each in versions] == sorted((each.serial for each in versions), reverse=True)
    assert {each.made_by for each in versions if not each.run_id} == {"ana"}

    services.workspace_locks.lock("app", Person("ben", Role.WRITE), "mine")
    refused = cli.run("state", "rm", "terraform_data.one")
    assert refused.code == 1, refused.text
    lock_id = re.search(r"ID:\s+(\S+)", refused.text)
    good(cli, "force-unlock", "-force", lock_id[1] if lock_id else "plangate/app")
    good(cli, "state", "rm", "terraform_data.one")
    assert good(cli, "state", "list").split() == ["terraform_data.two"]
