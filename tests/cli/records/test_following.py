"""`plangate runs logs --follow` and `--wait`: real processes that ask a server which comes and goes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from bot.domain.people.audit import AuditAction
from bot.domain.runs.lifecycle import RunStatus, StageStatus
from bot.services.ports import AuditQuery
from tests.cli.records.conftest import Site, Terminal

ROOT = Path(__file__).parents[3]
PATIENCE = 120
"""Seconds until a command that should have ended counts as one that hangs."""

Follow = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def run(terminal: Terminal) -> str:
    made = terminal.json("runs", "queue", "app")["id"]
    terminal.put(made, status=RunStatus.PLANNING, plan_status=StageStatus.RUNNING)
    return str(made)


@pytest.fixture(params=["here", "elsewhere"])
def follow(request: pytest.FixtureRequest, terminal: Terminal, site: Site, run: str) -> Iterator[Follow]:
    """Start a command in a process of its own, on the server's machine or on another."""
    token = {"PLANGATE_SERVER": site.url, "PLANGATE_TOKEN": terminal.token("admin")}
    environment = {**os.environ, **(token if request.param == "elsewhere" else {})}
    started = []

    def start(*words: str) -> subprocess.Popen[str]:
        argv = [sys.executable, "-m", "bot.cli", *words]
        pipe = subprocess.PIPE
        # Tests that a shell has put in the background ignore Ctrl-C, and their children would, too.
        before = signal.signal(signal.SIGINT, signal.default_int_handler)
        try:
            how: dict[str, Any] = {"env": environment, "stdout": pipe, "stderr": pipe, "text": True}
            started.append(subprocess.Popen(argv, cwd=ROOT, **how))
        finally:
            signal.signal(signal.SIGINT, before)
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.communicate(timeout=PATIENCE)


def append(terminal: Terminal, run: str, text: str, stage: str = "plan") -> None:
    with terminal.services.store.transaction() as tx:
        tx.artifacts.append_output(run, stage, text)


def line(process: subprocess.Popen[str], error: bool = False) -> str:
    pipe = process.stderr if error else process.stdout
    assert pipe is not None
    return pipe.readline()


def test_output_is_followed_over_both_stages_to_the_end_of_the_run(
    terminal: Terminal, run: str, follow: Follow
) -> None:
    append(terminal, run, "plan 1\nplan ")
    process = follow("runs", "logs", run, "--follow")
    assert line(process) == "plan 1\n"
    append(terminal, run, "2\n")
    assert line(process) == "plan 2\n"
    terminal.put(
        run, status=RunStatus.CONFIRMED, plan_status=StageStatus.FINISHED, apply_status=StageStatus.QUEUED
    )
    append(terminal, run, "apply 1\n", "apply")
    assert line(process) == "apply 1\n"
    append(terminal, run, "apply \x1b[2J2", "apply")
    terminal.put(run, status=RunStatus.APPLIED, apply_status=StageStatus.FINISHED)
    assert process.communicate(timeout=PATIENCE) == ("apply \\u001b[2J2\n", f"{run} is applied\n")
    assert process.returncode == 0


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (RunStatus.PLANNED, 0),
        (RunStatus.PLANNED_AND_FINISHED, 0),
        (RunStatus.ERRORED, 1),
        (RunStatus.CANCELED, 1),
    ],
)
def test_following_ends_where_a_person_must_decide_and_the_exit_code_tells_failures(
    terminal: Terminal, run: str, follow: Follow, status: RunStatus, code: int
) -> None:
    append(terminal, run, "plan 1\n")
    process = follow("runs", "logs", run, "-f")
    assert line(process) == "plan 1\n"
    terminal.put(run, status=status, plan_status=StageStatus.FINISHED, has_changes=True)
    out, error = process.communicate(timeout=PATIENCE)
    assert (out, error, process.returncode) == ("", f"{run} is {status.value}\n", code)


def test_a_stage_that_begins_again_is_printed_from_its_beginning(
    terminal: Terminal, run: str, follow: Follow
) -> None:
    append(terminal, run, "first try\n")
    process = follow("runs", "logs", run, "--follow", "--stage", "plan")
    assert line(process) == "first try\n"
    with terminal.services.store.transaction() as tx:
        tx.artifacts.clear_output(run, "plan")
        tx.artifacts.append_output(run, "plan", "second try\n")
    assert line(process) == "second try\n"
    assert "has begun again" in line(process, error=True)
    terminal.put(run, status=RunStatus.PLANNED_AND_FINISHED, plan_status=StageStatus.FINISHED)
    assert process.communicate(timeout=PATIENCE)[0] == ""
    assert process.returncode == 0


def test_ctrl_c_ends_it_without_a_traceback(terminal: Terminal, run: str, follow: Follow) -> None:
    append(terminal, run, "plan 1\n")
    for words in (("runs", "logs", run, "--follow"),):
        process = follow(*words)
        assert line(process) == "plan 1\n"
        process.send_signal(signal.SIGINT)
        assert process.communicate(timeout=PATIENCE) == ("", "")
        assert process.returncode == 130


@pytest.mark.parametrize(("status", "code"), [(RunStatus.PLANNED, 0), (RunStatus.ERRORED, 1)])
def test_a_command_waits_for_the_end_of_its_run(
    terminal: Terminal, run: str, follow: Follow, status: RunStatus, code: int
) -> None:
    process = follow("runs", "show", run, "--wait")
    terminal.put(run, status=status, plan_status=StageStatus.FINISHED, has_changes=True)
    out, _ = process.communicate(timeout=PATIENCE)
    assert out.startswith(f"{run}  {status.value}")
    assert process.returncode == code


@pytest.mark.parametrize("follow", ["elsewhere"], indirect=True)
def test_following_goes_on_where_it_was_once_the_server_is_back(
    terminal: Terminal, site: Site, run: str, follow: Follow
) -> None:
    append(terminal, run, "".join(f"plan {number}\n" for number in range(50)))
    process = follow("runs", "logs", run, "--follow")
    assert [line(process) for _ in range(50)] == [f"plan {number}\n" for number in range(50)]
    site.stop()
    assert "trying again" in line(process, error=True)
    append(terminal, run, "after the restart\n")
    site.start()
    assert line(process) == "after the restart\n"
    assert "it answers again" in line(process, error=True)
    terminal.put(run, status=RunStatus.PLANNED_AND_FINISHED, plan_status=StageStatus.FINISHED)
    assert process.communicate(timeout=PATIENCE)[0] == ""
    assert process.returncode == 0


@pytest.mark.parametrize("follow", ["elsewhere"], indirect=True)
def test_following_leaves_one_line_in_the_audit_log(
    terminal: Terminal, site: Site, run: str, follow: Follow
) -> None:
    process = follow("runs", "logs", run, "--follow", "--stage", "plan")
    for number in range(3):
        append(terminal, run, f"plan {number}\n")
        assert line(process) == f"plan {number}\n"
    terminal.put(run, status=RunStatus.PLANNED_AND_FINISHED, plan_status=StageStatus.FINISHED)
    process.communicate(timeout=PATIENCE)
    with terminal.services.store.reading() as tx:
        lines: list[Any] = [one for one in tx.audit.find(AuditQuery()) if one.deed is AuditAction.READ_OUTPUT]
    assert [(one.login, one.subject) for one in lines] == [("ops", run)]
