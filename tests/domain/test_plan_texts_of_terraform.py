"""Plans that real Terraform made, with our text of each beside Terraform's own.

To write ours anew, and then to read the diff: `REWRITE_EXPECTED=1 pytest tests/domain`.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from bot.domain.plan_diff import render
from tests.support.plan_corpus import scenarios, stored
from tests.support.plan_lines import headers_of, parse_back

PLANS = {f"{path.parent.name}/{path.stem}": path for path in stored()}


def loaded(path: Path) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return document


def terraforms(path: Path) -> str:
    return path.with_suffix(".terraform.txt").read_text(encoding="utf-8")


def test_every_scenario_is_stored_for_two_versions_of_terraform() -> None:
    versions = {path.parent.name for path in PLANS.values()}
    assert len(versions) == 2
    assert set(PLANS) == {f"{version}/{name}" for version in versions for name in scenarios()}


@pytest.mark.parametrize("name", PLANS)
def test_texts_of_plans(name: str) -> None:
    path = PLANS[name].with_suffix(".diff")
    text = render(loaded(PLANS[name])).diff() + "\n"
    if os.environ.get("REWRITE_EXPECTED"):
        path.write_text(text, encoding="utf-8")
    assert text == path.read_text(encoding="utf-8")


@pytest.mark.parametrize("name", PLANS)
def test_ours_has_the_headers_that_terraform_prints(name: str) -> None:
    ours = headers_of(render(loaded(PLANS[name])).plain())
    theirs = headers_of(terraforms(PLANS[name]))
    # Ours tells more: by which id a resource is imported, and how the checks stand.
    more = [line for line in ours if "(imported from" in line or line.startswith("# check.")]
    assert [line for line in ours if line not in more] == [line for line in theirs if line not in more]


@pytest.mark.parametrize("name", PLANS)
def test_ours_has_the_counts_and_the_resources_that_terraform_prints(name: str) -> None:
    text = render(loaded(PLANS[name]))
    theirs = terraforms(PLANS[name]).splitlines()
    counted = [line for line in theirs if line.startswith(("Plan: ", "No changes."))]
    assert [text.summary] == (counted or [""])
    opened = [line for line in text.plain().splitlines() if line.endswith('" {')]
    assert [line.strip() for line in opened] == [line.strip() for line in theirs if line.endswith('" {')]


@pytest.mark.parametrize("name", PLANS)
def test_every_resource_of_a_plan_can_be_read_back(name: str) -> None:
    document = loaded(PLANS[name])
    text = render(document)
    read = parse_back(text.diff())
    acting = sum(len(part.entries) for part in text.parts if part.kind in ("changes", "drift"))
    assert len(read.objects) == acting
    changed = [
        key for key, change in document.get("output_changes", {}).items() if change["actions"] != ["no-op"]
    ]
    assert [name for _, name in read.outputs] == sorted(changed)
