from __future__ import annotations

import dataclasses
import json
import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest

from bot.domain.errors import EngineError, Interrupted, LeaseLost, TimedOut
from bot.domain.plans.modes import Modes
from bot.domain.workspaces.variables import Variable
from bot.services.ports import EngineJob, Limits, PlanResult, WatchSignal
from bot.services.states.backend import RETRY_SECONDS
from bot.terraform.engine import TerraformEngine
from bot.terraform.processes.environment import state_retries
from bot.terraform.processes.printed_state import NOTE
from bot.terraform.programs.binaries import Binaries
from bot.terraform.sandbox import Sandbox, SandboxMode
from tests.terraform.conftest import Onlooker, Rig

RESOURCE = 'resource "terraform_data" "x" {\n  input = "one"\n}\n'
NULL = """
terraform {
  required_providers {
    null = { source = "hashicorp/null" }
  }
}
resource "null_resource" "x" {}
"""
# As on a full disk: the file for the state can't be written. The password is sensitive only in the state.
NOWHERE = """
resource "terraform_data" "x" {
  input = sensitive("the-password")
  provisioner "local-exec" { command = "mkdir errored.tfstate" }
}
"""
FAILING = """
resource "terraform_data" "failing" {
  provisioner "local-exec" { command = "exit 1" }
}
"""
KILLED = """
resource "terraform_data" "killed" {
  provisioner "local-exec" { command = "kill -KILL $PPID" }
}
"""
SLOW = """
resource "terraform_data" "first" {}
resource "terraform_data" "slow" {
  depends_on = [terraform_data.first]
  provisioner "local-exec" { command = "echo it has begun; exec sleep 60" }
}
"""


def planned(engine: TerraformEngine, job: EngineJob, watch: Onlooker) -> PlanResult:
    engine.fetch(job, watch)
    return engine.plan(job, watch)


def headings(watch: Onlooker) -> list[str]:
    return [line for line in watch.text.splitlines() if line.startswith("$")]


def changes(plan: PlanResult) -> dict[str, list[str]]:
    found = json.loads(plan.plan_json).get("resource_changes", [])
    return {item["address"]: item["change"]["actions"] for item in found}


def test_plan_and_apply_keep_the_state_on_the_server(rig: Rig, onlooker: Callable[..., Onlooker]) -> None:
    engine, job, watch = rig.engine(), rig.job(RESOURCE), onlooker()

    plan = planned(engine, job, watch)
    done = engine.apply(job, plan, watch)

    assert changes(plan) == {"terraform_data.x": ["create"]}
    assert done.succeeded
    assert done.summary == "Apply complete! Resources: 1 added, 0 changed, 0 destroyed."
    assert rig.server.resources == ["terraform_data.x"]
    assert rig.server.lock == b""
    # One process each. An init would bring nothing that is not here.
    init = [] if Sandbox(SandboxMode.AUTO).active else ["$ terraform init"]
    assert headings(watch) == [*init, "$ terraform plan", "$ terraform apply"]
    assert plan.version.startswith("1.")


def test_a_preview_reads_the_state_and_takes_no_lock(rig: Rig, onlooker: Callable[..., Onlooker]) -> None:
    job = rig.job(RESOURCE, state=rig.server.access(lock=False))
    planned(rig.engine(), job, onlooker())
    assert set(rig.server.requests) == {"GET"}


def test_a_previews_plan_is_applied_by_another_run_on_another_worker(
    rig: Rig, onlooker: Callable[..., Onlooker], null_mirror: Path
) -> None:
    preview = rig.job(NULL, "run-preview", state=rig.server.access("preview-token", lock=False))
    plan = planned(rig.engine(provider_mirror=null_mirror), preview, onlooker())
    rig.server.passwords.clear()

    watch = onlooker()
    run = dataclasses.replace(preview, run_id="run-real", state=rig.server.access("token-of-the-apply"))
    elsewhere = rig.engine(rig.root / "another worker", provider_mirror=null_mirror)
    done = elsewhere.apply(run, plan, watch)

    assert b"hashicorp/null" in plan.dependency_lock
    assert done.succeeded, watch.text
    assert rig.server.resources == ["null_resource.x"]
    assert {"LOCK", "UNLOCK"} <= set(rig.server.requests)
    assert rig.server.passwords == {"token-of-the-apply"}
    assert headings(watch) == ["$ terraform init", "$ terraform apply"]


def test_a_provider_comes_from_the_mirror_through_the_cache(
    rig: Rig, onlooker: Callable[..., Onlooker], null_mirror: Path
) -> None:
    cache = rig.root / "cache"
    engine = rig.engine(provider_mirror=null_mirror, plugin_cache=cache)
    job, watch = rig.job(NULL, fills_cache=True), onlooker()
    plan = planned(engine, job, watch)
    assert engine.apply(job, plan, watch).succeeded
    again = dataclasses.replace(job, run_id="run-2")
    assert changes(planned(engine, again, watch)) == {"null_resource.x": ["no-op"]}


def test_two_runs_at_once_share_an_empty_cache_and_mirror(
    rig: Rig, onlooker: Callable[..., Onlooker], null_mirror: Path
) -> None:
    engine = rig.engine(provider_mirror=null_mirror, plugin_cache=rig.root / "cache")
    first = rig.job(NULL, fills_cache=True)
    jobs = [dataclasses.replace(first, run_id=f"run-{number}", state=None) for number in range(2)]
    with ThreadPoolExecutor() as pool:
        plans = list(pool.map(lambda job: planned(engine, job, onlooker()), jobs))
    assert [changes(plan) for plan in plans] == [{"null_resource.x": ["create"]}] * 2


def test_a_path_in_a_plan_does_not_tell_one_run_from_another(
    rig: Rig, onlooker: Callable[..., Onlooker]
) -> None:
    first = rig.job('output "here" { value = "${path.cwd} ${abspath(path.module)}" }\n')
    second = dataclasses.replace(first, run_id="run-2")
    if not Sandbox(SandboxMode.AUTO).active:
        pytest.skip("bubblewrap does not work on this machine")
    elsewhere = rig.engine(rig.root / "another worker")
    plans = [planned(rig.engine(), first, onlooker()), planned(elsewhere, second, onlooker())]
    values = [json.loads(plan.plan_json)["planned_values"]["outputs"]["here"]["value"] for plan in plans]
    assert values[0] == values[1]


def test_a_stale_plan_is_refused_by_terraform_in_its_own_words(
    rig: Rig, onlooker: Callable[..., Onlooker]
) -> None:
    engine, job = rig.engine(), rig.job(RESOURCE)
    old = planned(engine, job, onlooker())
    again = dataclasses.replace(job, run_id="run-2")
    assert engine.apply(again, planned(engine, again, onlooker()), onlooker()).succeeded

    done = engine.apply(job, old, onlooker())

    assert not done.succeeded
    assert done.summary.startswith("Error: Saved plan is stale")


def test_modes_become_flags(rig: Rig, onlooker: Callable[..., Onlooker]) -> None:
    engine = rig.engine()
    job = rig.job('resource "terraform_data" "a" {}\nresource "terraform_data" "b" {}\n')
    assert engine.apply(job, planned(engine, job, onlooker()), onlooker()).succeeded
    cases = [
        (Modes(destroy=True), {"terraform_data.a": ["delete"], "terraform_data.b": ["delete"]}),
        (Modes(replace_addrs=("terraform_data.a",)), {"terraform_data.a": ["delete", "create"]}),
        (Modes(destroy=True, target_addrs=("terraform_data.b",)), {"terraform_data.b": ["delete"]}),
        (Modes(refresh_only=True), {}),
    ]
    for modes, expected in cases:
        plan = planned(engine, dataclasses.replace(job, modes=modes), onlooker())
        assert {address: todo for address, todo in changes(plan).items() if todo != ["no-op"]} == expected


def test_variables_win_over_the_repositorys_and_are_taken_literally(
    rig: Rig, onlooker: Callable[..., Onlooker]
) -> None:
    config = """
    variable "plain" { type = string }
    variable "list" { type = list(number) }
    variable "once" {
      type      = string
      ephemeral = true
    }
    output "plain" { value = var.plain }
    output "list" { value = var.list }
    """
    files = {"main.tf": config, "zzzz.auto.tfvars": 'plain = "theirs"\nonce = "x"\nlist = [9]\n'}
    variables = (
        Variable("plain", '${file("/etc/passwd")} "quoted"\nand more'),
        Variable("list", "[1, 1 + 1]", hcl=True),
        Variable("once", "only now"),
    )
    engine, job = rig.engine(), rig.job(files, variables=variables)
    plan = planned(engine, job, onlooker())
    outputs = json.loads(plan.plan_json)["planned_values"]["outputs"]
    assert outputs["plain"]["value"] == '${file("/etc/passwd")} "quoted"\nand more'
    assert outputs["list"]["value"] == [1, 2]
    assert engine.apply(job, plan, onlooker()).succeeded


def test_a_failed_plan_is_told_in_words_fit_for_a_comment(
    rig: Rig, onlooker: Callable[..., Onlooker]
) -> None:
    job = rig.job({"infra/main.tf": 'output "a" {\n  value = local.nope\n}\n'}, working_directory="infra")
    with pytest.raises(EngineError) as failed:
        planned(rig.engine(), job, onlooker())
    assert str(failed.value) == (
        "Error: Reference to undeclared local value — on main.tf line 2: "
        'A local value with the name "nope" has not been declared.'
    )


def test_a_terraform_that_is_killed_does_not_blame_its_last_line(
    rig: Rig, onlooker: Callable[..., Onlooker]
) -> None:
    engine, watch, job = rig.engine(), onlooker(), rig.job(KILLED)
    done = engine.apply(job, planned(engine, job, watch), watch)
    assert (done.succeeded, done.summary) == (
        False,
        "terraform apply was killed (SIGKILL); the machine may lack memory",
    )


def test_secrets_are_masked_in_output_and_errors(rig: Rig, onlooker: Callable[..., Onlooker]) -> None:
    variables = (Variable("password", "correct-horse-battery", sensitive=True),)
    config = """
    variable "password" { type = string }
    resource "terraform_data" "x" {
      input = var.password
      provisioner "local-exec" {
        command = "echo we log in with ${var.password}; echo env: $TF_HTTP_PASSWORD; exit 1"
      }
    }
    """
    engine, watch, job = rig.engine(), onlooker(), rig.job(config, variables=variables)
    done = engine.apply(job, planned(engine, job, watch), watch)
    assert not done.succeeded
    for secret in ("correct-horse-battery", "token-of-this-run"):
        assert secret not in watch.text
        assert secret not in done.summary
    assert "we log in with ***" in watch.text
    assert "env: ***" in watch.text


def test_the_version_asked_for_is_found_or_refused_with_what_there_is(
    rig: Rig, onlooker: Callable[..., Onlooker]
) -> None:
    job = rig.job(RESOURCE, version="~> 0.12")
    with pytest.raises(
        EngineError, match=r"Terraform ~> 0.12 is not on this worker: there is 1\.\d+\.\d+ \(bund"
    ):
        planned(rig.engine(), job, onlooker())


def test_a_binary_on_path_works_as_the_bundled_one_does(rig: Rig, onlooker: Callable[..., Onlooker]) -> None:
    if not shutil.which("terraform"):
        pytest.skip("no terraform on PATH")
    binaries = Binaries(use_path=True, bundled=False)
    engine, job, watch = rig.engine(binaries=binaries), rig.job(RESOURCE), onlooker()
    plan = planned(engine, job, watch)
    assert "on PATH" in watch.text
    assert engine.apply(job, plan, watch).succeeded
    with pytest.raises(EngineError, match=f"Terraform = {plan.version} is not on this worker"):
        rig.engine(rig.root / "other").apply(job, plan, watch)


def test_an_interrupted_apply_finishes_in_good_order(rig: Rig, onlooker: Callable[..., Onlooker]) -> None:
    engine, job, watch = rig.engine(), rig.job(SLOW), onlooker(when="it has begun")
    plan = planned(engine, job, watch)
    done = engine.apply(job, plan, watch)
    assert not done.succeeded
    assert done.interrupted
    assert done.summary.startswith("interrupted: ")
    # What was made before the interrupt is known to the state, and the lock is gone.
    assert "terraform_data.first" in rig.server.resources
    assert rig.server.lock == b""


def test_a_killed_apply_is_over_at_once(rig: Rig, onlooker: Callable[..., Onlooker]) -> None:
    engine, job = rig.engine(), rig.job(SLOW)
    watch = onlooker(when="it has begun", then=lambda: WatchSignal.KILL)
    done = engine.apply(job, planned(engine, job, watch), watch)
    assert done.interrupted
    assert done.summary.startswith("killed: the state may lack")
    assert rig.server.lock != b""


def test_a_state_that_could_not_be_pushed_is_handed_over(rig: Rig, onlooker: Callable[..., Onlooker]) -> None:
    engine, job = rig.engine(), rig.job(RESOURCE)
    plan = planned(engine, job, onlooker())
    rig.server.refuse_posts = True
    done = engine.apply(job, plan, onlooker())
    assert not done.succeeded
    assert "Failed to save state" in done.summary
    assert json.loads(done.errored_state)["resources"][0]["type"] == "terraform_data"


def test_an_apply_outlasts_many_refusals_of_a_database_that_is_away(
    rig: Rig, onlooker: Callable[..., Onlooker]
) -> None:
    engine, job = rig.engine(), rig.job(SLOW.replace("exec sleep 60", "sleep 2"))
    plan = planned(engine, job, onlooker())
    went_away = False

    def away() -> WatchSignal:
        nonlocal went_away
        if not went_away:
            went_away, rig.server.away = True, 9
        return WatchSignal.GO_ON

    assert engine.apply(job, plan, onlooker(when="it has begun", then=away)).succeeded
    assert (went_away, rig.server.away) == (True, 0)
    assert rig.server.resources == ["terraform_data.first", "terraform_data.slow"]
    assert rig.server.lock == b""


@pytest.mark.parametrize(("patience", "retries"), [(600, 64), (30, 7)])
def test_terraform_retries_for_as_long_as_an_apply_is_patient(patience: float, retries: int) -> None:
    settings = state_retries(patience)
    assert settings["TF_HTTP_RETRY_MAX"] == str(retries)
    # 1, 2, 4 and 8 seconds, and then as long as the web's Retry-After.
    waits = [min(2**n, int(settings["TF_HTTP_RETRY_WAIT_MAX"])) for n in range(retries)]
    assert sum(waits) >= patience
    assert retries * RETRY_SECONDS >= patience


def test_an_apply_that_only_could_not_store_its_state_says_so(
    rig: Rig, onlooker: Callable[..., Onlooker]
) -> None:
    engine, job = rig.engine(), rig.job(RESOURCE)
    plan = planned(engine, job, onlooker())
    rig.server.refuse_posts = True
    done = engine.apply(job, plan, onlooker())
    assert (done.succeeded, done.only_unsaved) == (False, True)
    failing = rig.job(RESOURCE + FAILING, run_id="run-2")
    rig.server.refuse_posts = False
    plan = planned(engine, failing, onlooker())
    rig.server.refuse_posts = True
    done = engine.apply(failing, plan, onlooker())
    assert done.errored_state
    assert not done.only_unsaved


def test_a_state_that_can_be_written_nowhere_is_handed_over_and_never_shown(
    rig: Rig, onlooker: Callable[..., Onlooker]
) -> None:
    job, watch = rig.job(NOWHERE), onlooker()
    engine = rig.engine()
    plan = planned(engine, job, watch)
    rig.server.refuse_posts = True
    done = engine.apply(job, plan, watch)
    assert "the-password" not in watch.text
    assert NOTE in watch.text
    assert "the-password" not in done.summary
    assert (done.succeeded, done.only_unsaved) == (False, True)
    assert [each["name"] for each in json.loads(done.errored_state)["resources"]] == ["x"]
    assert b"the-password" in done.errored_state


def test_no_run_starts_on_a_disk_that_is_full(rig: Rig) -> None:
    assert rig.engine(disk_free=1).no_room() == ""
    assert "runs need 1073741824 MB (PLANGATE_DISK_FREE)" in rig.engine(disk_free=1 << 30).no_room()


def test_an_interrupted_plan_raises(rig: Rig, onlooker: Callable[..., Onlooker]) -> None:
    watch = onlooker(when="$ terraform plan")
    with pytest.raises(Interrupted):
        planned(rig.engine(), rig.job(RESOURCE), watch)


def test_a_plan_that_takes_too_long_is_stopped(rig: Rig, onlooker: Callable[..., Onlooker]) -> None:
    job = rig.job(RESOURCE)
    rig.engine().fetch(job, onlooker())
    with pytest.raises(TimedOut, match=r"terraform (init|plan) took longer than 0 seconds"):
        rig.engine(limits=Limits(plan=timedelta(seconds=0))).plan(job, onlooker())


def test_an_apply_that_takes_too_long_is_stopped_and_keeps_its_state(
    rig: Rig, onlooker: Callable[..., Onlooker]
) -> None:
    engine, job = rig.engine(), rig.job(SLOW)
    plan = planned(engine, job, onlooker())
    hasty = rig.engine(limits=Limits(apply=timedelta(seconds=2)))
    done = hasty.apply(job, plan, onlooker())
    assert not done.succeeded
    assert not done.interrupted
    assert done.summary.startswith("stopped after 2 seconds")
    assert "terraform_data.first" in rig.server.resources


def test_what_the_watcher_raises_stops_the_apply_and_is_passed_on(
    rig: Rig, onlooker: Callable[..., Onlooker]
) -> None:
    def lost() -> None:
        raise LeaseLost("another worker has the run")

    engine, job = rig.engine(), rig.job(SLOW)
    plan = planned(engine, job, onlooker())
    with pytest.raises(LeaseLost):
        engine.apply(job, plan, onlooker(when="it has begun", then=lost))
    assert rig.server.lock == b""


def test_a_configuration_with_a_backend_of_its_own_keeps_it_if_plangate_yml_says_so(
    rig: Rig, onlooker: Callable[..., Onlooker]
) -> None:
    own = 'terraform {\n  backend "http" {\n    address = "http://127.0.0.1:9/own"\n  }\n}\n' + RESOURCE
    with pytest.raises(EngineError, match=r"127\.0\.0\.1:9/own"):
        planned(rig.engine(), rig.job(own, own_backend=True), onlooker())
    assert rig.server.requests == []


def test_clean_removes_read_only_leftovers(rig: Rig, onlooker: Callable[..., Onlooker]) -> None:
    engine, job = rig.engine(), rig.job({"main.tf": RESOURCE, "modules/a/main.tf": ""})
    engine.fetch(job, onlooker())
    modules = rig.data / "runs" / "run-1" / "tree" / "modules"
    (modules / "a").mkdir(parents=True, exist_ok=True)
    (modules / "a").chmod(0o500)
    modules.chmod(0)
    engine.clean("run-1")
    assert list((rig.data / "runs").iterdir()) == []


def test_an_id_that_leads_elsewhere_is_refused(rig: Rig) -> None:
    with pytest.raises(EngineError, match="not the id of a run"):
        rig.engine().clean("../mirrors")
