"""A hostile program at work in a run's own room, without Terraform around it."""

from __future__ import annotations

import dataclasses
import sys
import textwrap
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from bot.domain.runs.masking import Masker
from bot.domain.workspaces.isolation import Isolation
from bot.domain.workspaces.workspace import EngineKind
from bot.services.ports import StateAccess
from bot.terraform.processes import process
from bot.terraform.processes.process import Finished
from bot.terraform.processes.transcript import Transcript
from bot.terraform.programs.binaries import Program
from bot.terraform.running.room import Room, Terms
from bot.terraform.sandbox import Sandbox, SandboxMode
from bot.terraform.sandbox.limits import RunLimits

PYTHON = Path(sys.executable).resolve()
# What every hostile program may use, and how it says what it found.
PREFACE = """
import ctypes, errno, os, signal, socket, sys, time
libc = ctypes.CDLL(None, use_errno=True)
def call(number, *words):
    result = libc.syscall(number, *words)
    return 0 if result >= 0 else ctypes.get_errno()
def say(*words):
    print(*words, flush=True)
"""


@dataclass
class Attack:
    """Runs Python programs as a change's code would run."""

    root: Path
    data: Path
    sandbox: Sandbox

    def run(
        self,
        code: str,
        *,
        isolation: Isolation | None = None,
        limits: RunLimits | None = None,
        state: StateAccess | None = None,
        watch: Any,
        limit: float = 120.0,
        environment: Mapping[str, str] | None = None,
        passed: Mapping[str, str] | None = None,
        own: tuple[str, ...] = (),
    ) -> Finished:
        folder = self.sandbox.folder(self.data, "run-1")
        folder.create()
        folder.hand_over()
        program = Program(EngineKind.TERRAFORM, "1.0.0", PYTHON, "for a test")
        terms = Terms(limits or RunLimits(), own, passed or {})
        room = Room(
            folder,
            folder.tree,
            program,
            self.sandbox,
            isolation or Isolation(),
            terms,
            (Path(sys.base_prefix),),
        )
        argv = ("-I", "-S", "-c", PREFACE + textwrap.dedent(code))
        task = room.task(argv, {"PATH": "/usr/bin:/bin", **(environment or {})}, linger=5.0, state=state)
        said = Transcript(Masker(()), watch.output)
        return process.run(dataclasses.replace(task), watch, said, limit=limit, grace=1.0)


@pytest.fixture(scope="session")
def shut() -> Sandbox:
    found = Sandbox(SandboxMode.REQUIRED)
    if not Sandbox(SandboxMode.AUTO).active:
        pytest.skip("left out: bubblewrap does not work on this machine, so nothing can be shut in")
    return found


@pytest.fixture
def inside(tmp_path: Path, shut: Sandbox) -> Attack:
    """An attack in a sandbox."""
    return Attack(tmp_path, tmp_path / "data", shut)


@pytest.fixture
def without(tmp_path: Path) -> Attack:
    """The same without one: what `off` means."""
    return Attack(tmp_path, tmp_path / "data", Sandbox(SandboxMode.OFF))


@pytest.fixture
def said(onlooker: Callable[..., Any]) -> Callable[..., str]:
    """Run a program and return what it said."""

    def run(attack: Attack, code: str, **more: Any) -> str:
        watch = onlooker()
        attack.run(code, watch=watch, **more)
        return str(watch.text)

    return run
