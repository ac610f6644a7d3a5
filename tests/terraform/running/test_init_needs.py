"""A plan, and an apply on a fresh tree, run no `init` if all that it would bring is here."""

from __future__ import annotations

import dataclasses
import io
import json
import re
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from bot.domain.errors import EngineError
from bot.domain.plans.digest import DigestInputs, plan_digest
from bot.domain.workspaces.isolation import Isolation
from bot.services.ports import EngineJob, PlanResult, WatchSignal
from bot.terraform.engine import TerraformEngine
from bot.terraform.processes.environment import platform_name
from bot.terraform.running.init_needs import packages, pointer
from bot.terraform.sandbox import Sandbox, SandboxMode
from tests.terraform.conftest import Onlooker, Rig

NULL = """
terraform {
  required_providers {
    null = { source = "hashicorp/null" }
  }
}
resource "null_resource" "x" {}
"""
LOCK = b"""
provider "registry.terraform.io/hashicorp/null" {
  version = "2.1.2"
  hashes = [
    "h1:known",
  ]
}
"""
PLACE = Path("registry.terraform.io/hashicorp/null/2.1.2", platform_name())


def saved(*directories: str) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as members:
        members.writestr(
            "tfconfig/modules.json", json.dumps([{"Key": "", "Dir": each} for each in directories])
        )
    return stream.getvalue()


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    (tmp_path / PLACE).mkdir(parents=True)
    (tmp_path / PLACE.with_name(f"{platform_name()}.h1")).write_text("h1:known\n")
    return tmp_path


def test_what_the_cache_has_needs_no_init(cache: Path) -> None:
    assert packages(saved(".", "../modules/a"), LOCK, cache) == [PLACE]
    assert packages(saved("."), b"", None) == []


@pytest.mark.parametrize(
    ("plan", "lock"),
    [
        (saved(".", ".terraform/modules/a/below"), LOCK),
        (b"not a plan", LOCK),
        (saved("."), LOCK.replace(b"2.1.2", b"3.0.0")),
        (saved("."), LOCK.replace(b"h1:known", b"h1:another")),
        (saved("."), b"# without a provider"),
    ],
)
def test_an_init_is_needed_for_what_is_not_here(cache: Path, plan: bytes, lock: bytes) -> None:
    assert packages(plan, lock, cache) is None
    assert packages(saved("."), LOCK, None) is None


def test_an_address_that_leads_out_of_the_cache_is_nobody_s_provider(cache: Path) -> None:
    address = b"registry.terraform.io/hashicorp/../hashicorp/null"
    with pytest.raises(EngineError, match="not laid out"):
        packages(saved("."), LOCK.replace(b"registry.terraform.io/hashicorp/null", address), cache)


@pytest.fixture
def planned(
    rig: Rig, onlooker: Callable[..., Onlooker], null_mirror: Path
) -> tuple[TerraformEngine, EngineJob, PlanResult]:
    if not Sandbox(SandboxMode.AUTO).active:
        pytest.skip("bubblewrap does not work on this machine")
    engine = rig.engine(provider_mirror=null_mirror, plugin_cache=rig.root / "cache")
    job = rig.job(NULL, fills_cache=True)
    engine.fetch(job, onlooker())
    plan = engine.plan(job, onlooker())
    engine.clean(job.run_id)
    return engine, job, plan


def headings(watch: Onlooker) -> list[str]:
    return [line for line in watch.text.splitlines() if line.startswith("$")]


def test_an_apply_on_a_fresh_tree_takes_its_providers_from_the_cache(
    rig: Rig, onlooker: Callable[..., Onlooker], planned: tuple[TerraformEngine, EngineJob, PlanResult]
) -> None:
    engine, job, plan = planned
    watch = onlooker()
    assert engine.apply(job, plan, watch).succeeded, watch.text
    assert headings(watch) == ["$ terraform apply"]
    assert watch.inits == 1
    assert rig.server.resources == ["null_resource.x"]


def test_a_package_of_the_cache_that_was_changed_is_not_started(
    rig: Rig, onlooker: Callable[..., Onlooker], planned: tuple[TerraformEngine, EngineJob, PlanResult]
) -> None:
    engine, job, plan = planned
    (package,) = (rig.root / "cache").rglob(platform_name())
    program = next(package.iterdir()).name
    package.unlink()
    package.mkdir()
    (package / program).write_text("#!/bin/sh\ntouch /run/plangate/tree/started\n")
    (package / program).chmod(0o755)
    watch = onlooker()
    assert not engine.apply(job, plan, watch).succeeded
    assert "cached package" in " ".join(watch.text.split())
    assert not (rig.data / "runs" / "run-1" / "tree" / "started").exists()
    assert rig.server.resources == []


def test_a_provider_that_is_not_allowed_any_more_is_refused(
    rig: Rig, onlooker: Callable[..., Onlooker], planned: tuple[TerraformEngine, EngineJob, PlanResult]
) -> None:
    engine, job, plan = planned
    strict = dataclasses.replace(job, isolation=Isolation(providers=("hashicorp/aws",)))
    with pytest.raises(EngineError, match="is not allowed here"):
        engine.apply(strict, plan, onlooker())


def test_without_a_sandbox_an_init_lays_the_tree_out(rig: Rig, onlooker: Callable[..., Onlooker]) -> None:
    engine, job = rig.engine(sandbox=SandboxMode.OFF), rig.job('resource "terraform_data" "x" {}\n')
    engine.fetch(job, onlooker())
    plan = engine.plan(job, onlooker())
    engine.clean(job.run_id)
    watch = onlooker()
    assert engine.apply(job, plan, watch).succeeded
    assert headings(watch) == ["$ terraform init", "$ terraform apply"]


# --- plans ----------------------------------------------------------------------------------------------

PLAIN = 'resource "terraform_data" "x" {}\n'
MODULES = {
    "env/main.tf": PLAIN + 'module "a" {\n  source = "../modules/a/"\n}\n',
    "modules/a/main.tf": PLAIN + 'module "b" { source = "./b" }\n',
    "modules/a/b/main.tf": 'resource "terraform_data" "y" { input = 1 }\n',
}


@pytest.fixture
def sandboxed() -> None:
    if not Sandbox(SandboxMode.AUTO).active:
        pytest.skip("bubblewrap does not work on this machine")


def planned_by(engine: TerraformEngine, job: EngineJob, watch: Onlooker) -> PlanResult:
    engine.fetch(job, watch)
    return engine.plan(job, watch)


def digest(plan: PlanResult) -> str:
    inputs = DigestInputs(plan.dependency_lock, plan.files)
    return plan_digest(json.loads(plan.plan_json), b"key" * 16, inputs)


@pytest.mark.parametrize(("files", "place"), [({"main.tf": PLAIN}, ""), (MODULES, "env")])
def test_a_plan_without_init_is_the_plan_that_an_init_would_have_led_to(
    rig: Rig, onlooker: Callable[..., Onlooker], sandboxed: None, files: dict[str, str], place: str
) -> None:
    job = rig.job(files, working_directory=place)
    watch, usual = onlooker(), onlooker()
    plan = planned_by(rig.engine(), job, watch)
    inited = planned_by(rig.engine(rig.root / "elsewhere", sandbox=SandboxMode.OFF), job, usual)
    assert headings(watch) == ["$ terraform plan"]
    assert headings(usual) == ["$ terraform init", "$ terraform plan"]
    assert watch.inits == 1
    assert (plan.configuration, plan.files, plan.backend) == (
        *(inited.configuration, inited.files, inited.backend),
    )
    assert digest(plan) == digest(inited)


def test_what_is_noted_of_the_backend_is_what_this_terraform_notes(
    rig: Rig, onlooker: Callable[..., Onlooker]
) -> None:
    plan = planned_by(rig.engine(sandbox=SandboxMode.OFF), rig.job(PLAIN), onlooker())
    noted = rig.data / "runs" / "run-1" / "tree" / ".terraform" / "terraform.tfstate"
    assert json.loads(noted.read_bytes()) == json.loads(pointer(plan.version))


def test_a_plan_takes_its_providers_from_the_cache_if_the_lock_file_names_them(
    rig: Rig, onlooker: Callable[..., Onlooker], planned: tuple[TerraformEngine, EngineJob, PlanResult]
) -> None:
    engine, _, first = planned
    files = {"main.tf": NULL, ".terraform.lock.hcl": first.dependency_lock.decode()}
    watch = onlooker()
    plan = planned_by(engine, rig.job(files, "run-2"), watch)
    assert headings(watch) == ["$ terraform plan"]
    assert plan.dependency_lock == first.dependency_lock
    assert engine.apply(rig.job(files, "run-2"), plan, watch).succeeded, watch.text
    assert rig.server.resources == ["null_resource.x"]


def test_a_plan_without_a_lock_file_or_with_more_in_it_than_is_used_runs_init(
    rig: Rig, onlooker: Callable[..., Onlooker], planned: tuple[TerraformEngine, EngineJob, PlanResult]
) -> None:
    engine, job, first = planned
    bare, unused = onlooker(), onlooker()
    again = dataclasses.replace(job, run_id="run-2")
    assert planned_by(engine, again, bare).dependency_lock == first.dependency_lock
    files = {"main.tf": PLAIN, ".terraform.lock.hcl": first.dependency_lock.decode()}
    assert b"hashicorp/null" not in planned_by(engine, rig.job(files, "run-3"), unused).dependency_lock
    assert headings(bare) == headings(unused) == ["$ terraform init", "$ terraform plan"]


def test_a_lock_file_that_names_another_package_is_refused_by_init(
    rig: Rig, onlooker: Callable[..., Onlooker], planned: tuple[TerraformEngine, EngineJob, PlanResult]
) -> None:
    engine, _, first = planned
    other = re.sub(r"(h1|zh):[^\"]{20}", r"\1:" + "A" * 20, first.dependency_lock.decode())
    watch = onlooker()
    with pytest.raises(EngineError, match="checksum"):
        planned_by(engine, rig.job({"main.tf": NULL, ".terraform.lock.hcl": other}, "run-2"), watch)
    assert headings(watch) == ["$ terraform init"]


def test_a_constraint_that_the_lock_file_does_not_meet_is_told_by_init(
    rig: Rig, onlooker: Callable[..., Onlooker], planned: tuple[TerraformEngine, EngineJob, PlanResult]
) -> None:
    engine, _, first = planned
    files = {
        "main.tf": NULL.replace('"hashicorp/null" }', '"hashicorp/null", version = ">= 3.0.0" }'),
        ".terraform.lock.hcl": first.dependency_lock.decode(),
    }
    watch = onlooker()
    with pytest.raises(EngineError, match="does not match configured version constraint"):
        planned_by(engine, rig.job(files, "run-2"), watch)
    assert headings(watch) == ["$ terraform plan", "$ terraform init"]


def test_a_provider_that_only_the_state_wants_is_brought_by_an_init_after_all(
    rig: Rig, onlooker: Callable[..., Onlooker], planned: tuple[TerraformEngine, EngineJob, PlanResult]
) -> None:
    engine, job, first = planned
    assert engine.apply(job, first, onlooker()).succeeded
    watch = onlooker()
    plan = planned_by(engine, rig.job(PLAIN, "run-2"), watch)
    assert headings(watch) == ["$ terraform plan", "$ terraform init", "$ terraform plan"]
    assert "Error" not in watch.text
    changes = json.loads(plan.plan_json)["resource_changes"]
    assert {each["address"]: each["change"]["actions"] for each in changes} == {
        "null_resource.x": ["delete"],
        "terraform_data.x": ["create"],
    }


def test_a_change_that_asks_for_an_init_in_its_own_words_gets_one_on_a_new_tree(
    rig: Rig, onlooker: Callable[..., Onlooker], sandboxed: None
) -> None:
    config = """
    resource "terraform_data" "x" {
      lifecycle {
        precondition {
          condition     = length(path.module) > 99
          error_message = "Run terraform init."
        }
      }
    }
    """
    tree, watch = rig.data / "runs" / "run-1" / "tree", onlooker(when="$ terraform plan")

    def plant() -> WatchSignal:
        if "$ terraform init" not in watch.text:
            (tree / "planted").touch()
        return WatchSignal.GO_ON

    watch.then = plant
    with pytest.raises(EngineError, match="Run terraform init"):
        planned_by(rig.engine(), rig.job(config), watch)
    assert headings(watch) == ["$ terraform plan", "$ terraform init", "$ terraform plan"]
    assert not (tree / "planted").exists()


def test_a_backend_of_its_own_and_downloads_are_left_to_init(
    rig: Rig, onlooker: Callable[..., Onlooker], sandboxed: None
) -> None:
    module = rig.root / "module"
    module.mkdir()
    watch = onlooker()
    with pytest.raises(EngineError):
        planned_by(rig.engine(), rig.job(f'module "a" {{ source = "git::file://{module}" }}\n'), watch)
    assert headings(watch) == ["$ terraform init"]
