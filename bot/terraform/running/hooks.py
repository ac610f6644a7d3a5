"""Runs hooks: commands of the server's configuration, in the sandbox, on the JSON of a plan.

The command is the operator's, but the plan may have text of a change. So the hook sees the system's programs,
its own files and the plan, has a small folder in memory to write to, and no network unless it asks for one.
"""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import subprocess
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

from bot.domain.errors import EngineError, Interrupted
from bot.domain.notifications.messages import one_line
from bot.domain.runs.masking import mask
from bot.domain.tasks.tasks import LONGEST_MESSAGE, MOST_OUTCOMES, PlanHook, TaskAnswer, TaskStatus
from bot.services.ports import Watch, WatchSignal
from bot.terraform.sandbox import SAFE_PATH, Sandbox

MOST_READ = 256 * 1024
"""How many bytes of what a hook prints are kept."""

PLAN = "PLANGATE_PLAN_JSON"
"""The variable with the path of the plan's JSON."""

_TICK = 1.0


class SandboxedHooks:
    """Implements HookRunner. `environment` has the server's variables that hooks may name."""

    def __init__(self, sandbox: Sandbox, environment: Mapping[str, str]) -> None:
        self._sandbox = sandbox
        self._environment = environment

    def run(self, hook: PlanHook, plan_json: bytes, about: Mapping[str, str], watch: Watch) -> TaskAnswer:
        """Run a hook. It passes with the exit code 0 and fails with 1; any other is an error."""
        if not os.access(hook.command[0], os.X_OK):
            why = "there is no program that this worker may run at its path"
            return TaskAnswer(TaskStatus.ERRORED, f"it can't be started: {why}")
        with tempfile.TemporaryDirectory(prefix="plangate-hook-") as folder:
            plan = Path(folder) / "plan.json"
            plan.write_bytes(plan_json or b"{}")
            try:
                process = self._started(hook, plan, about)
            except (OSError, EngineError) as error:
                return TaskAnswer(TaskStatus.ERRORED, f"it can't be started: {one_line(str(error))}")
            try:
                printed, late = _read(process, hook, watch)
            finally:
                _kill(process)
        # A tool may repeat its own key in an error, and what it prints is shown on the change (promise 6).
        text = mask(printed.decode(errors="replace"), self._given(hook).values())
        lines = [one_line(line, LONGEST_MESSAGE) for line in text.splitlines()]
        said = tuple(line for line in lines if line)[:MOST_OUTCOMES]
        if late:
            return TaskAnswer(TaskStatus.ERRORED, "it did not end within its time limit", outcomes=said)
        match process.returncode:
            case 0:
                return TaskAnswer(TaskStatus.PASSED, outcomes=said)
            case 1:
                return TaskAnswer(TaskStatus.FAILED, outcomes=said)
            case code:
                return TaskAnswer(TaskStatus.ERRORED, f"it ended with the exit code {code}", outcomes=said)

    def _given(self, hook: PlanHook) -> Mapping[str, str]:
        """Return the server's variables that a hook names."""
        return {name: value for name in hook.environment if (value := self._environment.get(name))}

    def _started(self, hook: PlanHook, plan: Path, about: Mapping[str, str]) -> subprocess.Popen[bytes]:
        reads = (Path(hook.command[0]), plan.parent, *map(Path, hook.reads))
        argv = self._sandbox.closed_in(hook.command, reads, network=hook.network)
        with plan.open("rb") as given:
            return subprocess.Popen(
                argv,
                stdin=given,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env={
                    **self._given(hook),
                    **about,
                    "PATH": SAFE_PATH,
                    "LC_ALL": "C.UTF-8",
                    "HOME": "/tmp",  # noqa: S108 -- the sandbox's own
                    PLAN: str(plan),
                },
                cwd="/",
                start_new_session=True,
            )


def _read(process: subprocess.Popen[bytes], hook: PlanHook, watch: Watch) -> tuple[bytes, bool]:
    """Return what the hook printed until it ended, and whether it took too long."""
    assert process.stdout is not None
    kept, until = b"", time.monotonic() + hook.timeout.total_seconds()
    with selectors.DefaultSelector() as ready:
        ready.register(process.stdout, selectors.EVENT_READ)
        next_tick = 0.0
        while True:
            now = time.monotonic()
            if now >= until:
                return kept, True
            if now >= next_tick:
                next_tick = now + _TICK
                if watch.tick() is not WatchSignal.GO_ON:
                    raise Interrupted(f"canceled while the hook {hook.name} was running")
            if not ready.select(min(until - now, _TICK)):
                continue
            part = os.read(process.stdout.fileno(), 65536)
            if not part:
                break
            kept += part[: MOST_READ - len(kept)]
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(max(until - time.monotonic(), 0.01))
    return kept, process.returncode is None


def _kill(process: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    if process.stdout is not None:
        process.stdout.close()
