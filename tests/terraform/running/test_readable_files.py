"""What a real plan says of the files and the modules that it can read, and what an apply makes of that."""

from __future__ import annotations

import zipfile
from collections.abc import Callable

import pytest

from bot.domain.errors import EngineError
from bot.domain.workspaces.variables import Category, Variable
from bot.services.ports import EngineJob, PlanResult
from bot.terraform.engine import TerraformEngine
from bot.terraform.sandbox import SandboxMode
from tests.terraform.conftest import Onlooker, Rig

PLAIN = 'variable "at" {\n  default = ""\n}\nresource "terraform_data" "one" {\n  input = var.at\n}\n'


def planned(engine: TerraformEngine, job: EngineJob, watch: Onlooker) -> PlanResult:
    engine.fetch(job, watch)
    return engine.plan(job, watch)


@pytest.mark.parametrize("category", [Category.TERRAFORM, Category.ENV])
def test_a_path_in_a_variable_makes_every_file_readable(
    rig: Rig, onlooker: Callable[..., Onlooker], category: Category
) -> None:
    engine = rig.engine()
    for number, (value, places) in enumerate((("lib/a", (".",)), ("../lib/a", None))):
        given = (Variable("at", value, category),)
        job = rig.job({"main.tf": PLAIN}, f"run-{number}", variables=given)
        assert planned(engine, job, onlooker()).places == places


def pack(rig: Rig, notes: str) -> None:
    """Make the archive of a module, in place of an earlier one."""
    with zipfile.ZipFile(rig.root / "far.zip", "w") as members:
        members.writestr("main.tf", 'resource "terraform_data" "inner" {}\n')
        members.writestr("notes.txt", notes)


@pytest.fixture
def job(rig: Rig) -> EngineJob:
    """A configuration with a module from elsewhere, which Terraform fetches as it does others."""
    pack(rig, "read at the apply")
    return rig.job({"main.tf": f'module "far" {{\n  source = "{rig.root}/far.zip"\n}}\n'})


@pytest.mark.parametrize("again", [True, False], ids=["fresh tree", "same tree"])
def test_an_apply_with_the_modules_of_the_plan_applies(
    rig: Rig, onlooker: Callable[..., Onlooker], job: EngineJob, again: bool
) -> None:
    engine = rig.engine(sandbox=SandboxMode.OFF)
    plan = planned(engine, job, onlooker())
    assert plan.modules
    if again:
        engine.clean(job.run_id)
    assert engine.apply(job, plan, onlooker()).succeeded


def test_an_apply_with_another_module_than_the_plan_s_is_refused(
    rig: Rig, onlooker: Callable[..., Onlooker], job: EngineJob
) -> None:
    engine, watch = rig.engine(sandbox=SandboxMode.OFF), onlooker()
    plan = planned(engine, job, onlooker())
    engine.clean(job.run_id)
    pack(rig, "something else")
    with pytest.raises(EngineError, match="is not the one that was planned, so nothing was applied"):
        engine.apply(job, plan, watch)
    assert "$ terraform apply" not in watch.text
    assert rig.server.state is None
