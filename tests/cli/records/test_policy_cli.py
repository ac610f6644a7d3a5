"""`plangate policy`: tests of a set, replays of plans, and both evaluators compared."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from bot.cli import cli
from bot.domain.errors import EngineError, Invalid
from bot.services.ports import ArtifactKind
from tests.cli.records.conftest import Terminal
from tests.support.opa import VERSION, opa_or_skip, opa_path

EXAMPLES = Path(__file__).parents[3] / "examples" / "policies"


def test_the_examples_pass() -> None:
    done = CliRunner(env={"PLANGATE_CONFIG": None}).invoke(cli, ["policy", "test", str(EXAMPLES)])
    assert done.exit_code == 0, done.output
    assert "passed  tags_test.rego test_one_is_lacking" in done.output
    assert ", 0 failed" in done.output


def test_a_failure_is_named_and_is_the_exit_code(tmp_path: Path) -> None:
    (tmp_path / "a.rego").write_text(
        "package main\n\ndeny contains 1 if input.x\n\ntest_no if count(deny) == 1\n"
    )
    done = CliRunner().invoke(cli, ["policy", "test", str(tmp_path)])
    assert done.exit_code == 1
    assert "failed  a.rego test_no: it is undefined" in done.output


def test_a_set_without_tests_says_so_and_one_that_cannot_be_read_says_why(tmp_path: Path) -> None:
    rules = tmp_path / "a.rego"
    rules.write_text("package main\n\ndeny contains 1 if input.x\n")
    done = CliRunner().invoke(cli, ["policy", "test", str(tmp_path)])
    assert (done.exit_code, "has no tests: write rules named `test_...`" in done.output) == (1, True)
    rules.write_text("package main\n\ndeny contains 1 if {\n  input.x ==\n}\n")
    done = CliRunner().invoke(cli, ["policy", "test", str(tmp_path)])
    assert done.exit_code == 1
    assert isinstance(done.exception, Invalid)
    assert "a.rego" in str(done.exception)


def test_numbers_that_mean_nothing_are_refused(tmp_path: Path) -> None:
    for words in (["policy", "replay", str(tmp_path), "--last", "0"], ["web", "--processes", "0"]):
        done = CliRunner().invoke(cli, words)
        assert (done.exit_code, "0 is not in the range x>=1" in done.output) == (2, True)


def test_both_evaluators_are_compared_and_differences_are_told(tmp_path: Path) -> None:
    opa_or_skip()
    done = CliRunner().invoke(cli, ["policy", "test", str(EXAMPLES), "--opa", str(opa_path()), "--compare"])
    assert done.exit_code == 0, done.output
    assert f"0 failed, by OPA {VERSION}" in done.output
    assert "OPA and the bundled evaluator agree" in done.output
    (tmp_path / "a_test.rego").write_text('package t\n\ntest_it if sprintf("%q", ["\u200b"]) != ""\n')
    done = CliRunner().invoke(cli, ["policy", "test", str(tmp_path), "--opa", str(opa_path()), "--compare"])
    assert (done.exit_code, "differs  a_test.rego test_it: OPA: passed; bundled: " in done.output) == (
        1,
        True,
    )


def test_a_set_that_only_opa_evaluates_is_a_difference(tmp_path: Path) -> None:
    opa_or_skip()
    (tmp_path / "a_test.rego").write_text("package t\n\ntest_it if bits.and(3, 1) == 1\n")
    done = CliRunner().invoke(cli, ["policy", "test", str(tmp_path), "--opa", str(opa_path()), "--compare"])
    assert (done.exit_code, done.exception.__class__) == (1, SystemExit), done.output
    assert "1 passed, 0 failed, by OPA" in done.output
    assert "differs  the set: OPA: evaluated; bundled: a_test.rego, line 3: " in done.output


def test_there_is_nothing_to_compare_without_opa(tmp_path: Path) -> None:
    (tmp_path / "a_test.rego").write_text("package t\n\ntest_it if true\n")
    done = CliRunner().invoke(cli, ["policy", "test", str(tmp_path), "--opa", "off", "--compare"])
    assert isinstance(done.exception, EngineError)
    assert "nothing to compare with" in str(done.exception)


@pytest.fixture
def with_plans(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> Terminal:
    """A terminal with OPA and the plans of two runs."""
    opa_or_skip()
    monkeypatch.setenv("PLANGATE_OPA", str(opa_path()))
    for name in ("app", "network"):
        run = terminal.json("runs", "queue", name)["id"]
        with terminal.services.store.transaction() as tx:
            tx.artifacts.put(run, ArtifactKind.PLAN_JSON, b'{"resource_changes": [], "price": 2.5}')
    return terminal


def test_a_replay_compares_both_evaluators(with_plans: Terminal, tmp_path: Path) -> None:
    folder = tmp_path / "rules"
    folder.mkdir()
    rules = folder / "a.rego"
    rules.write_text('package aws\n\ndeny contains "empty" if count(input.resource_changes) == 0\n')
    words = ["policy", "replay", str(folder), "--namespace", "aws", "--compare"]
    said = with_plans.type(*words)
    assert "aws.deny (soft-mandatory, failed): empty" in said
    assert "OPA and the bundled evaluator agree" in said

    rules.write_text('package aws\n\ndeny contains "dear" if input.price * 2 > 4\n')
    done = CliRunner().invoke(cli, words)
    differences = [line for line in done.output.splitlines() if line.startswith("differs")]
    assert (done.exit_code, len(differences)) == (1, 2)
    assert all(" aws.deny: OPA: failed, dear; bundled: errored, a.rego, line 3: " in d for d in differences)
    assert "OPA and the bundled evaluator agree" not in done.output


def test_a_replay_has_nothing_to_compare_without_opa(
    with_plans: Terminal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PLANGATE_OPA", "off")
    (tmp_path / "a.rego").write_text("package main\n\ndeny contains 1 if true\n")
    done = CliRunner().invoke(cli, ["policy", "replay", str(tmp_path), "--compare"])
    assert isinstance(done.exception, EngineError)
    assert "no OPA evaluated these policies" in str(done.exception)
