"""A change whose own provider is hostile, under a real Terraform: what it can do to a plan."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from bot.domain.errors import EngineError, PlanDisagrees
from bot.domain.workspaces.isolation import Isolation
from bot.services.ports import EngineJob, PlanResult
from bot.terraform.engine import TerraformEngine
from bot.terraform.sandbox import Sandbox, SandboxMode
from bot.terraform.sandbox.limits import RunLimits
from tests.terraform.conftest import Onlooker, Rig

OWN = Isolation(own_providers=True)
NULL = """
terraform {
  required_providers {
    null = {
      source  = "hashicorp/null"
      version = "2.1.2"
    }
  }
}
resource "null_resource" "x" {}
"""


@pytest.fixture(autouse=True)
def sandboxed() -> None:
    if not Sandbox(SandboxMode.AUTO).active:
        pytest.skip("left out: bubblewrap does not work on this machine, so nothing can be shut in")


@pytest.fixture
def bring(rig: Rig, null_mirror: Path) -> Callable[[str], None]:
    """Put the null provider into the commit, behind a script of the change's."""

    def put(script: str) -> None:
        (real,) = null_mirror.rglob("terraform-provider-null*")
        place = rig.repository.root / "terraform.d" / "plugins" / real.relative_to(null_mirror)
        place.parent.mkdir(parents=True)
        os.link(real, place.with_name("real"))
        place.write_text(f'#!/bin/sh\n{script}\nexec "$(dirname "$0")/real"\n')
        place.chmod(0o755)

    return put


def planned(engine: TerraformEngine, job: EngineJob, watch: Onlooker) -> PlanResult:
    engine.fetch(job, watch)
    return engine.plan(job, watch)


def alive(marker: str) -> list[str]:
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if marker in path.read_text(errors="replace"):
                found.append(str(path))
        except OSError:
            continue
    return found


SWAP = """
tree=/run/plangate/tree
if [ -e "$tree/other.tfplan" ] && [ ! -e /run/plangate/home/begun ] && [ -w /run/plangate/home ]; then
  touch /run/plangate/home/begun
  setsid sh -c 'marker=swap-the-plan; while :; do
    for plan in /run/plangate/out/*.tfplan /run/plangate/room/*.tfplan /run/plangate/*.tfplan; do
      [ -e "$plan" ] && cp /run/plangate/tree/other.tfplan "$plan.new" && mv -f "$plan.new" "$plan"
    done
    echo "No changes. Your infrastructure matches the configuration." >> /proc/2/fd/1
  done' swap-the-plan </dev/null >/dev/null 2>&1 &
fi
"""


def test_what_is_shown_is_read_from_the_very_bytes_that_are_applied(
    rig: Rig, onlooker: Callable[..., Onlooker], bring: Callable[[str], None]
) -> None:
    bring(SWAP)
    engine, watch = rig.engine(), onlooker()
    other = planned(engine, rig.job(NULL.replace('"x"', '"other"'), "run-0", isolation=OWN), watch)
    (rig.repository.root / "other.tfplan").write_bytes(other.saved_plan)
    job = rig.job(NULL, isolation=OWN)
    try:
        plan = planned(engine, job, watch)
    except PlanDisagrees as error:
        # The swapped plan was the one that was read: it is not of this commit, and nothing is shown.
        assert "the plan file was not made of this commit" in str(error)
        plan = None
    # It was at work during the plan, and is not any more.
    assert (rig.data / "runs" / "run-1" / "home" / "begun").exists()
    assert alive("swap-the-plan") == []
    if plan is None:
        return
    shown = json.loads(plan.plan_json)["resource_changes"]
    assert [(each["address"], each["change"]["actions"]) for each in shown] == [
        ("null_resource.x", ["create"])
    ]
    assert engine.apply(job, plan, watch).succeeded
    assert rig.server.resources == ["null_resource.x"]


def test_the_clean_room_has_nothing_that_a_run_wrote_no_secrets_and_no_network(
    rig: Rig, onlooker: Callable[..., Onlooker], bring: Callable[[str], None]
) -> None:
    # Called by `show` too, its own provider tells what it sees there; as a provider's last words, to a file
    # that it can't write, and so to its errors.
    bring(
        """
    if [ ! -e /run/plangate/tree ]; then
      echo "in the room: $(ls -A /run/plangate) and $(ls -A /run/plangate/room)" >&2
      env | grep -q TF_HTTP && echo "with a token" >&2
      touch /run/plangate/room/x /run/plangate/room/.terraform/providers/x && echo "may write" >&2
      grep -c : /proc/net/dev >&2
      exit 1
    fi
    echo evil > evil.auto.tfvars
    echo 'output "evil" { value = 1 }' > evil.tf
    """
    )
    watch = onlooker()
    with pytest.raises(EngineError):
        planned(rig.engine(), rig.job(NULL, isolation=OWN), watch)
    assert (rig.data / "runs" / "run-1" / "tree" / "evil.tf").exists()
    room = rig.data / "runs" / "run-1" / "room"
    assert sorted(each.name for each in room.iterdir()) == [
        *(".terraform", ".terraform.lock.hcl", "cli.tfrc", "plan.tfplan"),
    ]
    for words in ("with a token", "may write", "evil"):
        assert words not in watch.text


def test_a_provider_cannot_be_replaced_by_the_code_that_it_runs(
    rig: Rig, onlooker: Callable[..., Onlooker], bring: Callable[[str], None]
) -> None:
    bring(
        """
    if [ -w /run/plangate/home ]; then
      here=$(dirname "$0")
      touch "$here/planted" 2>/dev/null && echo WROTE > /run/plangate/home/said
      echo evil 2>/dev/null > "$0" && echo WROTE > /run/plangate/home/said
      mkdir .terraform/providers/evil 2>/dev/null && echo WROTE > /run/plangate/home/said
    fi
    """
    )
    engine, job, watch = rig.engine(), rig.job(NULL, isolation=OWN), onlooker()
    plan = planned(engine, job, watch)
    assert not (rig.data / "runs" / "run-1" / "home" / "said").exists()
    kept = rig.data / "runs" / "run-1" / "providers"
    assert not list(kept.rglob("planted"))
    assert not list(kept.rglob("evil"))
    assert json.loads(plan.plan_json)["resource_changes"]


def test_a_provider_of_the_commit_is_refused_unless_the_server_allows_it(
    rig: Rig, onlooker: Callable[..., Onlooker], bring: Callable[[str], None]
) -> None:
    bring("touch /run/plangate/home/ran")
    with pytest.raises(EngineError, match="own_providers: true"):
        planned(rig.engine(), rig.job(NULL), onlooker())
    assert not (rig.data / "runs" / "run-1" / "home" / "ran").exists()


def test_a_link_to_a_folder_of_providers_is_refused_too(rig: Rig, onlooker: Callable[..., Onlooker]) -> None:
    with pytest.raises(EngineError, match="own_providers: true"):
        planned(
            rig.engine(),
            rig.job({"main.tf": NULL, "x/plugins/a": ""}, links={"terraform.d": "x"}),
            onlooker(),
        )


def test_a_command_line_configuration_of_the_commit_has_no_effect(
    rig: Rig, onlooker: Callable[..., Onlooker], null_mirror: Path
) -> None:
    place = '"hashicorp/null" = "/run/plangate/tree/evil"'
    override = f"provider_installation {{\n  dev_overrides {{\n    {place}\n  }}\n}}\n"
    files = {"main.tf": NULL, ".terraformrc": override, "terraform.rc": override, "cli.tfrc": override}
    files["evil/terraform-provider-null"] = "#!/bin/sh\ntouch /run/plangate/home/ran\n"
    job = rig.job(files)
    planned(rig.engine(provider_mirror=null_mirror), job, onlooker())
    assert not (rig.data / "runs" / "run-1" / "home" / "ran").exists()


def test_a_source_that_the_server_does_not_list_is_refused(
    rig: Rig, onlooker: Callable[..., Onlooker], null_mirror: Path
) -> None:
    engine = rig.engine(provider_mirror=null_mirror)
    only = Isolation(providers=("acme/*",))
    with pytest.raises(EngineError, match=r"hashicorp/null is not allowed here: `providers` .* has acme/\*"):
        planned(engine, rig.job(NULL, isolation=only), onlooker())
    listed = Isolation(providers=("hashicorp/*",))
    assert planned(engine, rig.job(NULL, "run-2", isolation=listed), onlooker()).plan_json


def test_a_program_that_is_still_at_work_when_a_run_ends_is_ended_with_it(
    rig: Rig, onlooker: Callable[..., Onlooker]
) -> None:
    leave = "setsid sh -c ': still-at-work; sleep 300; :' still-at-work >/dev/null 2>&1 &"
    config = f'resource "terraform_data" "x" {{\n  provisioner "local-exec" {{ command = "{leave}" }}\n}}\n'
    engine, job, watch = rig.engine(), rig.job(config), onlooker()
    assert engine.apply(job, planned(engine, job, watch), watch).succeeded
    assert alive("still-at-work") == []


def test_a_run_that_takes_too_much_fails_with_the_limit_s_name(
    rig: Rig, onlooker: Callable[..., Onlooker]
) -> None:
    config = """
    resource "terraform_data" "x" {
      provisioner "local-exec" { command = "head -c 60000000 /dev/zero > large; sleep 60" }
    }
    """
    engine, job, watch = rig.engine(run_limits=RunLimits(disk=30)), rig.job(config), onlooker()
    done = engine.apply(job, planned(engine, job, watch), watch)
    assert not done.succeeded
    assert "more than 30 MB into its working folders (PLANGATE_RUN_DISK)" in done.summary


def test_where_a_run_was_not_let_stands_in_its_output_and_its_result(
    rig: Rig, onlooker: Callable[..., Onlooker]
) -> None:
    ask = "exec 3<>/dev/tcp/127.0.0.1/3128; "
    ask += "printf 'CONNECT 127.0.0.1:6379 HTTP/1.1\\\\r\\\\n\\\\r\\\\n' >&3; cat <&3"
    config = f"""
    resource "terraform_data" "x" {{
      provisioner "local-exec" {{
        command     = "{ask}"
        interpreter = ["/bin/bash", "-c"]
      }}
    }}
    """
    if not Path("/bin/bash").exists():
        pytest.skip("left out: there is no bash here")
    engine, job, watch = rig.engine(), rig.job(config), onlooker()
    done = engine.apply(job, planned(engine, job, watch), watch)
    assert done.succeeded, watch.text
    assert done.refused == ("127.0.0.1:6379: is this machine",)
    assert "[not reached from this run: 127.0.0.1:6379: is this machine]" in watch.text


def test_without_a_sandbox_each_run_says_so_loudly(rig: Rig, onlooker: Callable[..., Onlooker]) -> None:
    watch = onlooker()
    job = rig.job('resource "terraform_data" "x" {}\n')
    planned(rig.engine(sandbox=SandboxMode.OFF), job, watch)
    assert "THERE IS NO SANDBOX" in watch.text
