"""The units: commands that there are, hardened as far as the sandbox allows, and valid for systemd itself."""

from __future__ import annotations

import configparser
import shutil
import subprocess
from pathlib import Path

import click
import pytest

from bot.cli import cli
from tests.support.docs import ROOT

FOLDER = ROOT / "deploy/systemd"
UNITS = sorted(FOLDER.glob("*.service"))
ANALYZE = shutil.which("systemd-analyze")


def unit(path: Path) -> configparser.ConfigParser:
    found = configparser.ConfigParser(strict=True, interpolation=None)
    found.optionxform = str  # type: ignore[assignment,method-assign]  # keys have capital letters
    found.read_string(path.read_text())
    return found


@pytest.mark.parametrize("path", UNITS, ids=lambda path: path.name)
def test_a_unit_starts_a_command_that_there_is_as_a_user_of_its_own(path: Path) -> None:
    service = unit(path)["Service"]
    program, name, *words = service["ExecStart"].split()
    assert program == "/opt/plangate/bin/plangate"
    command = cli.get_command(click.Context(cli), name)
    assert command is not None
    command.make_context(name, words)
    assert service["User"] == service["Group"] == "plangate"
    assert service["NoNewPrivileges"] == "yes"
    assert service["ProtectSystem"] == "strict"
    assert service["UMask"] == "0077"


@pytest.mark.parametrize("path", UNITS, ids=lambda path: path.name)
def test_a_worker_may_finish_its_job_and_make_namespaces(path: Path) -> None:
    service = unit(path)["Service"]
    if " worker" not in service["ExecStart"]:
        assert service["RestrictNamespaces"] == "yes"
        return
    assert service["KillMode"] == "mixed"
    assert "TimeoutStopSec" in service
    forbidding = {"RestrictNamespaces", "ProtectKernelTunables", "ProtectProc", "PrivateUsers"}
    assert not forbidding & set(service)


def test_the_target_starts_every_unit() -> None:
    target = configparser.ConfigParser(interpolation=None)
    target.read_string((FOLDER / "plangate.target").read_text())
    assert sorted(target["Unit"]["Wants"].split()) == [path.name for path in UNITS]
    assert all(unit(path)["Install"]["WantedBy"] == "plangate.target" for path in UNITS)


@pytest.mark.skipif(ANALYZE is None, reason="there is no systemd-analyze")
def test_systemd_finds_nothing_wrong(tmp_path: Path) -> None:
    program = tmp_path / "plangate"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    for path in (*UNITS, FOLDER / "plangate.target"):
        (tmp_path / path.name).write_text(
            path.read_text().replace("/opt/plangate/bin/plangate", str(program))
        )
    command = [
        str(ANALYZE),
        "verify",
        "--man=no",
        str(tmp_path / "plangate.target"),
        *(str(tmp_path / p.name) for p in UNITS),
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    # Known since systemd 254; older ones ignore it.
    newer = "Unknown key 'DelegateSubgroup'"
    ours = [line for line in done.stderr.splitlines() if "plangate" in line and newer not in line]
    assert ours == []
