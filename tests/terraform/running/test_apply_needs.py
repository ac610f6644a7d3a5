"""An apply on a fresh tree runs no `init` if its saved plan and the cache have all that it needs."""

from __future__ import annotations

import dataclasses
import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from bot.domain.errors import EngineError
from bot.domain.workspaces.isolation import Isolation
from bot.services.ports import EngineJob, PlanResult
from bot.terraform.engine import TerraformEngine
from bot.terraform.processes.environment import platform_name
from bot.terraform.running.apply_needs import packages
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
  hashes = ["h1:known"]
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
    assert packages(saved("."), LOCK.replace(b"registry.terraform.io/hashicorp/null", address), cache) is None


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
