"""Real Terraform makes plans, and our text of them is held against its own."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from bot.domain.plan_diff import render
from bot.domain.workspaces.workspace import EngineKind
from bot.terraform.programs.binaries import Binaries
from tests.support.plan_corpus import Workbench, scenarios, store
from tests.support.plan_lines import headers_of, parse_back

ASKED = scenarios() if os.environ.get("RECORD_PLANS") else ["update"]


@pytest.fixture(params=("1.11", "1.15"))
def version(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def workbench(version: str, null_mirror: Path, tmp_path: Path) -> Workbench:
    programs = Binaries(use_path=True).every(EngineKind.TERRAFORM)
    found = next((each for each in programs if each.version.startswith(f"{version}.")), None)
    if found is None:
        pytest.skip(f"there is no Terraform {version} here")
    return Workbench(found, null_mirror, tmp_path)


@pytest.mark.parametrize("name", ASKED)
def test_a_fresh_plan_has_the_headers_that_terraform_prints(
    workbench: Workbench, version: str, name: str
) -> None:
    made = workbench.make(name)
    if os.environ.get("RECORD_PLANS"):
        store(version, name, made)
    ours = [line for line in headers_of(render(made.document).plain()) if "(imported from" not in line]
    theirs = [line for line in headers_of(made.text) if "(imported from" not in line]
    assert theirs == [line for line in ours if not line.startswith("# check.")]


def test_a_thousand_resources_are_all_there(workbench: Workbench) -> None:
    made = workbench.plan(
        "thousand", 'resource "terraform_data" "a" {\n  count = 1000\n  input = count.index\n}\n'
    )
    text = render(made.document)
    assert headers_of(text.plain()) == headers_of(made.text)
    assert len(parse_back(text.diff()).objects) == 1000
    assert text.summary == "Plan: 1000 to add, 0 to change, 0 to destroy."
