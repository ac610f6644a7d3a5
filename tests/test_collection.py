"""Which tests run: without the recorded contracts theirs are skipped, soak tests run only if asked for."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.contracts import MISSING, NAMES, manifest, needs_contracts

ROOT = Path(__file__).parents[1]


def collected_and_skipped(folder: Path, *files: str) -> tuple[int, int, str]:
    """Run tests with the contracts in another folder: the number of tests, those skipped, the output."""
    argv = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-q", "-k", "every_recorded", *files]
    environment = {**os.environ, "CONTRACTS": str(folder)}
    done = subprocess.run(
        argv, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    skipped = sum(map(int, re.findall(r"^SKIPPED \[(\d+)\]", done.stdout, re.MULTILINE)))
    passed = sum(map(int, re.findall(r"(\d+) passed", done.stdout)))
    return skipped + passed, skipped, done.stdout


def test_without_the_contracts_each_recorded_payload_is_a_skipped_test_with_one_reason(
    tmp_path: Path,
) -> None:
    names = json.loads(NAMES.read_text())
    files = ("tests/forges/test_github_webhook.py", "tests/forges/test_gitlab_webhook.py")
    total, skipped, output = collected_and_skipped(tmp_path / "missing", *files)
    assert skipped >= sum(map(len, names.values())) > 200
    assert total >= skipped
    assert {line.rpartition(": ")[2] for line in output.splitlines() if line.startswith("SKIPPED")} == {
        MISSING.rpartition(": ")[2]
    }


@needs_contracts
@pytest.mark.parametrize("forge", ["github", "gitlab"])
def test_the_names_of_the_recorded_payloads_are_those_that_were_recorded(forge: str) -> None:
    assert json.loads(NAMES.read_text())[forge] == [entry["file"] for entry in manifest(forge)]


def collected(*arguments: str) -> set[str]:
    argv = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--collect-only", "-q", *arguments]
    done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return {line for line in done.stdout.splitlines() if "::" in line}


def test_soak_tests_run_only_if_they_are_asked_for_and_a_short_form_always_does() -> None:
    files = (
        "tests/test_queue_stress.py",
        "tests/test_kills.py",
        "tests/test_chaos.py",
        "tests/test_storm.py",
    )
    usual, soak = collected(*files), collected("--soak", "-m", "soak", *files)
    assert soak.isdisjoint(usual)
    for database in ("sqlite", "postgresql"):
        for test in ("test_queue_stress", "test_storm"):
            assert [name for name in soak if test in name and database in name and "full" in name]
        assert [name for name in soak if "test_chaos" in name and database in name]
    for database, test in (("postgresql", "test_queue_stress"), ("sqlite", "test_storm")):
        assert [name for name in usual if test in name and database in name and "small" in name]
    assert [name for name in usual if "test_chaos" in name]
    assert [name for name in usual if "test_a_worker_is" in name]
    recipe = (ROOT / "Makefile").read_text().partition("\nsoak:")[2].partition("\n\n")[0]
    assert "--soak -m soak" in recipe
