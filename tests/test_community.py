"""The files for contributors: they parse, and CI runs what contributors run."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[1]
GITHUB = ROOT / ".github"
FORMS = ["bug", "feature"]
WORKFLOWS = sorted(GITHUB.glob("workflows/*.yml"))


def read(path: Path) -> dict[Any, Any]:
    found = yaml.safe_load(path.read_text())
    assert isinstance(found, dict), f"{path.name} is empty"
    return found


def steps(workflow: dict[Any, Any]) -> list[dict[str, Any]]:
    return [step for job in workflow["jobs"].values() for step in job["steps"]]


def test_the_workflow_runs_make_test_on_every_pull_request() -> None:
    workflow = read(GITHUB / "workflows" / "ci.yml")
    # YAML 1.1 reads the key `on` as true.
    assert {"push", "pull_request"} <= set(workflow[True])
    test = workflow["jobs"]["test"]
    assert [step["run"] for step in test["steps"] if "run" in step] == ["make test"]
    targets = re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert {step["run"].split()[1] for step in steps(workflow) if "run" in step} <= set(targets)


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_a_workflow_may_only_read_and_its_actions_are_pinned(path: Path) -> None:
    workflow = read(path)
    assert workflow["permissions"] == {"contents": "read"}
    assert not [name for name, job in workflow["jobs"].items() if "permissions" in job]
    used = [step for step in steps(workflow) if "uses" in step]
    assert [s["uses"] for s in used if not re.search(r"@(v\d+\.\d+\.\d+|[0-9a-f]{40})$", s["uses"])] == []
    # The token of the checkout is not left where code of a pull request could read it.
    checkouts = [step for step in used if step["uses"].startswith("actions/checkout@")]
    assert [step["with"]["persist-credentials"] for step in checkouts] == [False] * len(workflow["jobs"])
    # What comes from the change is never pasted into a shell.
    assert not [step for step in steps(workflow) if "${{" in step.get("run", "")]


@pytest.mark.parametrize("name", FORMS)
def test_a_form_for_issues_has_fields_with_ids_and_labels(name: str) -> None:
    form = read(GITHUB / "ISSUE_TEMPLATE" / f"{name}.yml")
    assert form["name"] and form["description"]
    fields = [field for field in form["body"] if field["type"] != "markdown"]
    ids = [field["id"] for field in fields]
    assert len(ids) == len(set(ids)) > 0
    assert all(field["attributes"]["label"] for field in fields)
    assert {field["type"] for field in fields} <= {"textarea", "input", "dropdown", "checkboxes"}
    assert any(field.get("validations", {}).get("required") for field in fields)


def test_dependabot_watches_the_dependencies_and_the_actions() -> None:
    settings = read(GITHUB / "dependabot.yml")
    assert settings["version"] == 2
    assert {update["package-ecosystem"] for update in settings["updates"]} == {"pip", "github-actions"}
    assert all(update["directory"] and update["schedule"]["interval"] for update in settings["updates"])


def test_pre_commit_runs_make_check_and_downloads_nothing() -> None:
    (repo,) = read(ROOT / ".pre-commit-config.yaml")["repos"]
    assert repo["repo"] == "local"
    assert [hook["entry"] for hook in repo["hooks"]] == ["make check"]


def test_each_pattern_of_codeowners_matches_a_file_and_names_an_owner() -> None:
    lines = (GITHUB / "CODEOWNERS").read_text().splitlines()
    rules = [line.split() for line in lines if line and not line.startswith("#")]
    assert rules[0][0] == "*"
    for pattern, *owners in rules:
        assert owners and all(owner.startswith("@") for owner in owners)
        assert list(ROOT.glob(pattern.strip("/"))), f"{pattern} matches nothing"


def test_people_are_told_how_to_report_a_vulnerability_in_private() -> None:
    text = (ROOT / "SECURITY.md").read_text()
    assert "Report a vulnerability" in text
    assert "SECURITY.md" in (ROOT / "CONTRIBUTING.md").read_text()
    assert "SECURITY.md" in (GITHUB / "ISSUE_TEMPLATE" / "bug.yml").read_text()
    assert "make test" in (GITHUB / "pull_request_template.md").read_text()
