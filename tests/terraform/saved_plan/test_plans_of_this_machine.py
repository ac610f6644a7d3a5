"""Each case anew with every Terraform and OpenTofu that is here: the saved plan equals its JSON."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from bot.domain.workspaces.workspace import EngineKind
from bot.terraform.programs.binaries import Binaries, Program
from bot.terraform.saved_plan import agree, configuration_hash, decode, marked_by_schema, snapshot_matches
from tests.terraform.saved_plan.corpus import BUNDLED, CASES, make

pytestmark = pytest.mark.e2e

PROGRAMS = [program for kind in EngineKind for program in Binaries(use_path=True).every(kind)]
# Plans that were recorded stand for the rest: here it is asked whether today's programs still write so.
FEATURES = [
    "values",
    "unknown",
    "sensitive update",
    "keys fewer",
    "checks kept",
    "replace",
    "drift",
    "data",
    "thousand",
]
# The bundled one makes all of them with every `make test`, the others only some.
MADE = [
    pytest.param(
        program,
        name,
        id=f"{name}-{program.title}",
        marks=[] if program.path is None or name in ("values", "sensitive update") else [pytest.mark.soak],
    )
    for name in FEATURES
    for program in PROGRAMS
]


def argv(program: Program) -> tuple[str, ...]:
    return (str(program.path),) if program.path else (sys.executable, "-I", "-c", BUNDLED)


@pytest.mark.parametrize(("program", "name"), MADE)
def test_a_new_plan_agrees_with_its_json(
    program: Program, name: str, tmp_path: Path, null_mirror: Path
) -> None:
    made = make(CASES[name], argv(program), tmp_path / "work", null_mirror)
    saved = decode(made.saved, program.kind)
    assert agree(saved, made.shown) == []
    assert marked_by_schema(saved, made.shown) == frozenset()
    files = {file: text.encode() for file, text in CASES[name].now.items()}
    assert snapshot_matches(saved, files) == []
    assert len(configuration_hash(saved)) == 64


def test_there_is_a_terraform_to_ask() -> None:
    assert [program.kind for program in PROGRAMS if program.kind == EngineKind.TERRAFORM] != []
    if not any(program.kind == EngineKind.TOFU for program in PROGRAMS):
        pytest.skip("there is no OpenTofu on this machine: its recorded plans stand in for it")
