"""The real terraform changes states that Plangate keeps: each command under the workspace's one lock."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from bot.domain.people.accounts import Account
from bot.domain.people.permissions import Person, Role
from bot.domain.workspaces.workspace import ExecutionMode
from bot.services.ports import RunQuery
from bot.services.variables.api_variables import VariableWishes
from bot.services.variables.editor import WorkspaceVariables
from bot.services.workspaces.api_workspaces import WorkspaceWishes
from tests.support.cloud_cli import HOST, CloudCli, terraform_on_path
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
    (cli.folder / "old.tfstate").write_text(json.dumps(first | {"serial": 50}))
    good(cli, "state", "push", "old.tfstate")
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
    good(cli, "force-unlock", "-force", "plangate/app")
    good(cli, "state", "rm", "terraform_data.one")
    assert good(cli, "state", "list").split() == ["terraform_data.two"]

    cli.write(WORD)
    (cli.folder / "values.tfvars").write_text('list = ["a", "b"]\n')
    planned = good(cli, "plan", "-var", "word=hi", "-var-file", "values.tfvars")
    assert "app/hi/a+b" in planned, planned


REMOTE = f"""backend "remote" {{
    hostname     = "{HOST}"
    organization = "plangate"
    workspaces {{
      prefix = "site-"
    }}
  }}"""
WORD = """
variable "word" {
  type    = string
  default = "none"
}

variable "list" {
  type    = list(string)
  default = []
}

resource "terraform_data" "one" {
  input = "${terraform.workspace}/${var.word}/${join("+", var.list)}"
}

output "said" {
  value = terraform_data.one.output
}
"""


def test_workspaces_of_a_prefix_are_made_used_and_deleted(cli: CloudCli, journey: Journey) -> None:
    site = CloudCli(cli.program, cli.folder.parent / "site", cli.url, cli.token)
    site.write(WORD, cloud=REMOTE)
    assert "No existing workspaces" in site.run("init").text
    good(site, "workspace", "new", "test")
    good(site, "workspace", "new", "live")
    assert {"test", "live"} <= set(good(site, "workspace", "list").replace("*", "").split())
    good(site, "workspace", "select", "test")
    assert "test/none/" in good(site, "apply", "-auto-approve")
    assert good(site, "output", "-raw", "said") == "test/none/"
    good(site, "workspace", "select", "live")
    assert "No state file" in site.run("state", "list").text
    good(site, "workspace", "select", "test")
    refused = site.run("workspace", "delete", "live")
    assert refused.code == 0, refused.text
    assert site.run("workspace", "delete", "test").code == 1
    with journey.services.store.reading() as tx:
        assert {"site-test"} == {each.name for each in tx.workspaces.all() if each.name.startswith("site-")}


@pytest.mark.soak
def test_in_the_mode_local_terraform_runs_on_the_laptop_and_its_state_is_here(
    cli: CloudCli, journey: Journey
) -> None:
    laptop = CloudCli(cli.program, cli.folder.parent / "local", cli.url, cli.token)
    laptop.write(WORD, 'name = "laptop"')
    good(laptop, "init")
    with journey.services.store.reading() as tx:
        there = tx.workspaces.named("laptop")
    wishes = WorkspaceWishes(execution=ExecutionMode.LOCAL)
    journey.services.api_workspaces.change(there.id, ANA, wishes)
    good(laptop, "apply", "-auto-approve", "-var", "word=mine")
    assert good(laptop, "output", "-raw", "said") == "laptop/mine/"
    with journey.services.store.reading() as tx:
        current, runs = tx.states.current(there.id), tx.runs.find(RunQuery(workspace_id=there.id))
    assert current is not None
    assert (current.made_by, len(runs)) == ("ana", 0)


@pytest.mark.soak
def test_a_local_state_moves_here_and_commands_on_it_use_the_workspaces_variables(
    cli: CloudCli, journey: Journey
) -> None:
    moved = CloudCli(cli.program, cli.folder.parent / "moved", cli.url, cli.token)
    needs = 'variable "needed" {\n  type = list(string)\n}\n'
    (moved.folder / "main.tf").write_text(WORD + needs)
    (moved.folder / "own.auto.tfvars").write_text("needed = []\n")
    good(moved, "init")
    good(moved, "apply", "-auto-approve")
    (moved.folder / "own.auto.tfvars").unlink()
    moved.write(WORD + needs, 'name = "moved"')
    good(moved, "init", answer="yes\n")
    with journey.services.store.reading() as tx:
        there = tx.workspaces.named("moved")
        current = tx.states.current(there.id)
    assert current is not None
    assert (current.made_by, there.lock) == ("ana", None)
    wishes = VariableWishes(key="needed", value='["a"]', hcl=True)
    journey.services.api_variables.create(WorkspaceVariables("moved"), ANA, wishes)
    good(moved, "state", "rm", "terraform_data.one")
    good(moved, "import", "terraform_data.one", "an-id")
    assert good(moved, "state", "list").split() == ["terraform_data.one"]
    good(moved, "refresh")
    asked = good(moved, "console", answer="terraform_data.one.id\n")
    assert '"an-id"' in asked
    assert moved.run("workspace", "delete", "moved").code == 1
