"""`plangate` itself: groups and examples in its help, suggestions for slips, completion, and its start."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from bot.cli import COMMANDS, EXAMPLES, GROUPS, cli

ROOT = Path(__file__).parents[2]


def test_the_help_has_every_command_in_a_group_and_examples_that_can_be_typed() -> None:
    shown = CliRunner().invoke(cli, ["--help"]).output
    for title, entries in GROUPS.items():
        part = shown.partition(f"{title}:\n")[2].partition("\n\n")[0]
        assert [line.split()[0] for line in part.splitlines() if line[2:3].strip()] == list(entries)
    for line, _ in EXAMPLES:
        assert f"  {line}\n" in shown
        asked = CliRunner().invoke(cli, [*line.split()[1:], "--help"])
        assert asked.exit_code == 0, line


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        (["rnus"], "`plangate runs`"),
        (["worksapces", "list"], "`plangate workspaces`"),
        (["runs", "lst"], "`plangate runs list`"),
        (["runs", "Shwo"], "`plangate runs show`"),
        (["variables", "sets", "remvoe"], "`plangate variables sets remove`"),
        (["keys", "rotat"], "`plangate keys rotate`"),
        (["runs", "list", "--jsn"], "'--json'"),
        (["--alow-http"], "'--allow-http'"),
    ],
)
def test_a_slip_is_answered_with_what_was_meant(typed: list[str], meant: str) -> None:
    done = CliRunner().invoke(cli, typed, prog_name="plangate")
    assert (done.exit_code, f"Did you mean {meant}" in done.output) == (2, True), done.output


def test_a_word_that_is_like_no_command_gets_no_suggestion() -> None:
    done = CliRunner().invoke(cli, ["xyzzy"])
    assert (done.exit_code, "Did you mean" in done.output) == (2, False)


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_for_a_shell_is_printed(shell: str) -> None:
    done = CliRunner().invoke(cli, ["completion", shell])
    assert done.exit_code == 0
    assert f"_PLANGATE_COMPLETE={shell}_complete" in done.output
    if found := shutil.which(shell):
        checked = subprocess.run(
            [found, "-n"], input=done.output, capture_output=True, text=True, check=False
        )
        assert (checked.returncode, checked.stderr) == (0, "")


def completed(*words: str) -> set[str]:
    """What bash is offered after these words."""
    asked = {"_PLANGATE_COMPLETE": "bash_complete", "COMP_CWORD": str(len(words) - 1)}
    argv = [sys.executable, "-c", "import sys; sys.argv[0] = 'plangate'; from bot.cli import main; main()"]
    environment = {**os.environ, **asked, "COMP_WORDS": " ".join(words)}
    done = subprocess.run(argv, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    return {line.partition(",")[2] for line in done.stdout.splitlines()}


def test_commands_options_and_values_are_completed() -> None:
    assert completed("plangate", "") == set(COMMANDS)
    assert completed("plangate", "runs", "lo") == {"logs"}
    assert "--follow" in completed("plangate", "runs", "logs", "--")
    assert completed("plangate", "runs", "logs", "--stage", "") == {"plan", "apply"}
