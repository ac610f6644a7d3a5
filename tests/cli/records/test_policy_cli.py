"""`plangate policy test`: exits with 1 where a test fails, and says which; needs no configuration."""

from __future__ import annotations

from pathlib import Path

from click.testing import CliRunner

from bot.cli import cli
from bot.domain.errors import Invalid

EXAMPLES = Path(__file__).parents[2] / "examples" / "policies"


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
