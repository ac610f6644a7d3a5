"""A commit's dependency lock file can't hide a provider from the workspace's list, nor from the digest."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from bot.domain.errors import EngineError
from bot.domain.plans.digest import DigestInputs, plan_digest, providers_hash
from bot.domain.workspaces.isolation import Isolation
from bot.services.ports import EngineJob, PlanResult
from bot.terraform.engine import TerraformEngine
from tests.terraform.conftest import Onlooker, Rig

ADDRESS = "registry.terraform.io/hashicorp/null"
NULL = """
terraform {
  required_providers {
    null = { source = "hashicorp/null" }
  }
}
resource "null_resource" "x" {}
"""
OTHERS = Isolation(providers=("registry.terraform.io/hashicorp/aws",))
# What Terraform itself reads as the same lock file.
ODD: dict[str, Callable[[str], str]] = {
    "pinned": lambda lock: lock.replace('" {', '" { # pinned'),
    "on one line": lambda lock: re.sub(r"\s+hashes = \[\s+", " \n hashes = [", lock),
    "moved": lambda lock: lock.replace("provider ", " provider "),
    "escaped": lambda lock: lock.replace('version = "2', 'version = "\\u0032'),
    "commented": lambda lock: lock.replace("provider ", "/* */ provider "),
    "turned": lambda lock: re.sub(r"( +version .*\n)((?:.*\n)*?)(\}\n)", r"\2\1\3", lock),
}


def planned(engine: TerraformEngine, job: EngineJob, watch: Onlooker) -> PlanResult:
    engine.fetch(job, watch)
    return engine.plan(job, watch)


@pytest.fixture
def engine(rig: Rig, null_mirror: Path) -> TerraformEngine:
    return rig.engine(provider_mirror=null_mirror, plugin_cache=rig.root / "cache")


@pytest.fixture
def lock(rig: Rig, onlooker: Callable[..., Onlooker], engine: TerraformEngine) -> str:
    """The lock file that Terraform writes."""
    job = rig.job(NULL, "run-0", fills_cache=True)
    made = planned(engine, job, onlooker()).dependency_lock.decode()
    engine.clean(job.run_id)
    return made


@pytest.mark.parametrize("odd", ODD.values(), ids=ODD.keys())
def test_a_provider_in_an_odd_layout_does_not_pass_the_list_of_allowed_ones(
    rig: Rig, onlooker: Callable[..., Onlooker], engine: TerraformEngine, lock: str, odd: Callable[[str], str]
) -> None:
    assert odd(lock) != lock
    watch = onlooker()
    files = {"main.tf": NULL, ".terraform.lock.hcl": odd(lock)}
    with pytest.raises(EngineError, match="not laid out as `terraform init` writes it"):
        planned(engine, rig.job(files, isolation=OTHERS), watch)
    # Terraform did not even begin: a provider that is not allowed is not installed.
    assert "$ terraform" not in watch.text


def test_a_provider_behind_a_link_does_not_pass_the_list_of_allowed_ones(
    rig: Rig, onlooker: Callable[..., Onlooker], engine: TerraformEngine, lock: str
) -> None:
    links = {".terraform.lock.hcl": "kept.hcl"}
    job = rig.job({"main.tf": NULL, "kept.hcl": lock}, links=links, isolation=OTHERS)
    with pytest.raises(EngineError, match="is not a regular file"):
        planned(engine, job, onlooker())


def test_a_large_one_is_not_read(
    rig: Rig, onlooker: Callable[..., Onlooker], engine: TerraformEngine
) -> None:
    """Promise 5: the worker reads it outside of the sandbox, several times."""
    job = rig.job({"main.tf": NULL, ".terraform.lock.hcl": "\n" * (1 << 20) + "\n"}, isolation=OTHERS)
    with pytest.raises(EngineError, match="is not a regular file of a usual size"):
        planned(engine, job, onlooker())


def test_the_file_that_terraform_wrote_is_held_against_the_list(
    rig: Rig, onlooker: Callable[..., Onlooker], engine: TerraformEngine, lock: str
) -> None:
    for number, text in enumerate((lock, lock.replace("\n", "\r\n"))):
        files = {"main.tf": NULL, ".terraform.lock.hcl": text}
        with pytest.raises(EngineError, match=f"the provider {ADDRESS} is not allowed here"):
            planned(engine, rig.job(files, f"run-{number + 1}", isolation=OTHERS), onlooker())


def test_line_ends_of_windows_are_read_by_terraform_and_give_the_same_digest(
    rig: Rig, onlooker: Callable[..., Onlooker], engine: TerraformEngine, lock: str
) -> None:
    files = {"main.tf": NULL, ".terraform.lock.hcl": lock.replace("\n", "\r\n")}
    plan = planned(engine, rig.job(files), onlooker())
    assert b"\r\n" in plan.dependency_lock
    assert providers_hash(plan.dependency_lock) == providers_hash(lock.encode())


def test_an_odd_layout_never_becomes_a_digest_without_its_provider(
    rig: Rig, onlooker: Callable[..., Onlooker], engine: TerraformEngine, lock: str
) -> None:
    plan = planned(engine, rig.job({"main.tf": NULL, ".terraform.lock.hcl": lock}), onlooker())
    document = json.loads(plan.plan_json)
    for odd in ODD.values():
        changed = odd(lock).encode()
        with pytest.raises(EngineError, match="not laid out"):
            plan_digest(document, b"key" * 16, DigestInputs(changed))
        with pytest.raises(EngineError, match="not laid out"):
            providers_hash(changed)
