"""The digest of real plans: the same for the same plan made anywhere, another for whatever else it does."""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bot.domain.plans.digest import DigestInputs, plan_digest
from bot.domain.plans.modes import Modes
from bot.services.ports import EngineJob
from bot.terraform.engine import TerraformEngine
from tests.terraform.conftest import Onlooker, Rig

KEY = b"k" * 32
NULL = 'terraform {\n  required_providers {\n    null = { source = "hashicorp/null" }\n  }\n}\n'
ONE = 'resource "terraform_data" "one" {\n  input = { size = var.size, kinds = ["a", "b"] }\n}\n'
TWO = 'variable "size" { default = 1 }\nresource "null_resource" "two" {\n  triggers = { a = "1" }\n}\n'
READ = """
data "terraform_remote_state" "it" {
  backend = "local"
  config  = { path = "%s" }
  depends_on = [null_resource.two]
}
"""


def digest(engine: TerraformEngine, job: EngineJob, watch: Onlooker) -> str:
    engine.fetch(job, watch)
    plan = engine.plan(job, watch)
    around = DigestInputs(plan.dependency_lock, plan.files, job.modes.refresh_only)
    return plan_digest(json.loads(plan.plan_json), KEY, around)


def test_the_same_plan_has_one_digest_whoever_makes_it_and_however_its_files_are_cut(
    rig: Rig, onlooker: Callable[..., Onlooker], null_mirror: Path
) -> None:
    here = rig.engine(provider_mirror=null_mirror)
    there = rig.engine(rig.root / "another worker", provider_mirror=null_mirror)
    first = rig.job({"main.tf": NULL + ONE + TWO, "z.tf": READ % "x"})
    again = dataclasses.replace(first, run_id="run-2", state=rig.server.access("another", lock=False))
    recut = rig.job({"main.tf": TWO, "a.tf": READ % "x" + ONE, "z.tf": NULL, "notes.md": "more"}, "run-3")
    digests = {digest(here, first, onlooker()), digest(there, again, onlooker())}
    assert digests == {digest(there, recut, onlooker())}


def test_another_value_or_another_read_has_another_digest(
    rig: Rig, onlooker: Callable[..., Onlooker], null_mirror: Path
) -> None:
    engine = rig.engine(provider_mirror=null_mirror)
    files = {"main.tf": NULL + ONE + TWO, "z.tf": READ % "x"}
    jobs = [
        rig.job(files, "run-1"),
        rig.job({**files, "z.tf": READ % "y"}, "run-2"),
        rig.job({**files, "main.tf": NULL + ONE + TWO.replace('"1"', '"2"')}, "run-3"),
    ]
    assert len({digest(engine, job, onlooker()) for job in jobs}) == len(jobs)


def test_another_text_round_a_value_that_is_not_known_yet_has_another_digest(
    rig: Rig, onlooker: Callable[..., Onlooker]
) -> None:
    engine = rig.engine()
    text = """
resource "terraform_data" "a" {}
resource "terraform_data" "b" { input = "${terraform_data.a.id} %s" }
"""
    jobs = [rig.job(text % word, f"run-{word}") for word in ("good", "bad")]
    assert len({digest(engine, job, onlooker()) for job in jobs}) == len(jobs)


def test_another_command_of_a_provisioner_has_another_digest_though_the_plan_reads_the_same(
    rig: Rig, onlooker: Callable[..., Onlooker]
) -> None:
    engine = rig.engine()
    text = 'resource "terraform_data" "it" {\n  provisioner "local-exec" { command = "echo %s" }\n}\n'
    good, bad = rig.job(text % "good", "run-1"), rig.job(text % "bad", "run-2")
    again = dataclasses.replace(good, run_id="run-3")
    assert digest(engine, good, onlooker()) == digest(engine, again, onlooker())
    assert digest(engine, good, onlooker()) != digest(engine, bad, onlooker())


def test_a_refresh_that_found_nothing_new_has_the_digest_of_nothing_to_do(
    rig: Rig, onlooker: Callable[..., Onlooker]
) -> None:
    engine = rig.engine()
    job = rig.job('resource "terraform_data" "it" {}\n')
    watch = onlooker()
    engine.fetch(job, watch)
    assert engine.apply(job, engine.plan(job, watch), watch).succeeded
    normal = dataclasses.replace(job, run_id="run-2")
    refreshing = dataclasses.replace(job, run_id="run-3", modes=Modes(refresh_only=True))
    nothing = plan_digest({"configuration": {}}, KEY)
    assert digest(engine, normal, onlooker()) != nothing  # the provider's configuration is in it
    engine.fetch(refreshing, watch)
    assert json.loads(engine.plan(refreshing, watch).plan_json)["applyable"] is False


def test_the_same_plan_by_another_of_a_provider_s_configurations_has_another_digest(
    rig: Rig, onlooker: Callable[..., Onlooker], null_mirror: Path
) -> None:
    engine = rig.engine(provider_mirror=null_mirror)
    providers = NULL + 'provider "null" {}\nprovider "null" { alias = "there" }\n'
    one = providers + 'resource "null_resource" "it" {\n  provider = null%s\n}\n'
    within = providers + 'module "m" {\n  source = "./m"\n  providers = { null = null%s }\n}\n'
    module = NULL + 'resource "null_resource" "it" {}\n'
    jobs = [rig.job(one % which, f"run-{number}") for number, which in enumerate(("", ".there"))]
    jobs += [
        rig.job({"main.tf": within % which, "m/main.tf": module}, f"run-m-{number}")
        for number, which in enumerate(("", ".there"))
    ]
    assert len({digest(engine, job, onlooker()) for job in jobs}) == len(jobs)


def test_another_command_of_a_removed_resource_has_another_digest_though_nothing_shows_it(
    rig: Rig, onlooker: Callable[..., Onlooker]
) -> None:
    engine = rig.engine()
    before = rig.job('resource "terraform_data" "it" {}\n')
    watch = onlooker()
    engine.fetch(before, watch)
    assert engine.apply(before, engine.plan(before, watch), watch).succeeded
    text = """
removed {
  from = terraform_data.it
  provisioner "local-exec" {
    when    = destroy
    command = "echo %s"
  }
}
"""
    jobs = [rig.job(text % word, f"run-{word}") for word in ("good", "bad")]
    assert len({digest(engine, job, onlooker()) for job in jobs}) == len(jobs)


UNKNOWN = """
resource "terraform_data" "one" {
  input = 1
}
resource "terraform_data" "two" {
  input = "${terraform_data.one.id}, unseen"
}
"""
RUNS = 'resource "terraform_data" "it" {\n  provisioner "local-exec" { command = "%s" }\n}\n'


@pytest.mark.parametrize(
    ("files", "changed", "same"),
    [
        ({"main.tf": RUNS % "sh run.sh"}, {"run.sh": "echo bad"}, False),
        ({"main.tf": UNKNOWN}, {"../elsewhere/run.sh": "echo bad"}, True),
        ({"main.tf": RUNS % "sh .*/elsewhere/run.sh"}, {"../elsewhere/run.sh": "echo bad"}, False),
        ({"main.tf": RUNS % "sh ../elsewhere/run.sh"}, {"../elsewhere/run.sh": "echo bad"}, False),
        ({"main.tf": RUNS % "${dirname(path.cwd)}/x"}, {"../elsewhere/run.sh": "echo bad"}, False),
        ({"main.tf": 'module "m" { source = "../m" }', "../m/m.tf": UNKNOWN}, {"../m/y": "y"}, False),
        ({"main.tf": 'module "m" { source = "../m" }', "../m/m.tf": UNKNOWN}, {"../n/y": "y"}, True),
    ],
    ids=[
        "beside it",
        "elsewhere",
        "found by a program",
        "pointed at",
        "computed",
        "in a module",
        "beside a module",
    ],
)
def test_what_is_run_unseen_is_the_same_where_all_that_it_can_read_is_the_same(
    rig: Rig, onlooker: Callable[..., Onlooker], files: dict[str, Any], changed: dict[str, str], same: bool
) -> None:
    engine = rig.engine()
    digests = set()
    for number, laid in enumerate([files, {**files, **changed}]):
        commit = {os.path.normpath(f"here/{name}"): text for name, text in laid.items()}
        job = rig.job(commit, f"run-{number}", working_directory="here")
        digests.add(digest(engine, job, onlooker()))
    assert (len(digests) == 1) is same
