"""Runs the evaluator as a child process: with limits on time and memory, closed in where the system can.

Policies come from a repository that the operator trusts less than the server: they get no environment, no
network, and of the files only what Python needs (promise 5).
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Any

from bot.domain.errors import EngineError, Interrupted
from bot.domain.policy_sets import PolicyLimits
from bot.services.ports import Stop, Watch

_EVALUATOR = Path(__file__).with_name("evaluator.py")
_POLL_SECONDS = 0.05
_TICK_SECONDS = 1.0
_OUT_OF_MEMORY = 86
_LONGEST_LINE = 1 << 24

ClosedIn = Callable[[tuple[str, ...], tuple[Path, ...]], tuple[str, ...]]
"""Returns the command that runs another one closed in; the paths are what it must be able to read."""


@dataclass(frozen=True)
class Answers:
    """What the evaluator wrote, by query; `ended` says why it wrote no more, and `last` what it was at."""

    lines: Mapping[str, Mapping[str, Any]]
    ended: str = ""
    last: str = ""
    timed_out: bool = False

    def of(self, name: str) -> Mapping[str, Any]:
        """Return the answer to a query; one that never came is an error, never a pass."""
        if name in self.lines:
            return self.lines[name]
        if not self.last or name == self.last:
            return {"error": self.ended or "the evaluator gave no answer"}
        return {"error": f"it was not evaluated: at the policy {self.last}, {self.ended}"}


class Child:
    """Starts evaluators."""

    def __init__(self, closed_in: ClosedIn) -> None:
        self._closed_in = closed_in

    def ask(self, job: Mapping[str, Any], limits: PolicyLimits, watch: Watch) -> Answers:
        """Have a job's queries answered; one at which the evaluator breaks off does not cost the others.

        Raises Interrupted where the watcher says so, EngineError.
        """
        deadline = time.monotonic() + limits.seconds
        found: dict[str, Mapping[str, Any]] = {}
        left = list(job["queries"])
        while left:
            answers = self._asked({**job, "queries": left}, limits, watch, deadline)
            found.update(answers.lines)
            if not answers.ended or not answers.last or answers.timed_out:
                return replace(answers, lines=found)
            found.setdefault(answers.last, {"error": answers.ended})
            left = [query for query in left if query["name"] not in found]
        return Answers(found)

    def _asked(self, job: Mapping[str, Any], limits: PolicyLimits, watch: Watch, deadline: float) -> Answers:
        with tempfile.TemporaryFile() as given, tempfile.TemporaryFile() as said:
            whole = {**job, "seconds": limits.seconds, "memory": limits.memory}
            given.write(json.dumps(whole, ensure_ascii=False).encode())
            given.seek(0)
            process = self._start(given, said)
            try:
                ended = self._wait(process, limits, watch, deadline)
            finally:
                _kill(process)
            said.seek(0)
            return replace(_read(said, ended), timed_out=time.monotonic() >= deadline)

    def _start(self, given: IO[bytes], said: IO[bytes]) -> subprocess.Popen[bytes]:
        # Wherever we are installed, in a hidden home too, the evaluator must be seen.
        argv = self._closed_in((sys.executable, "-I", str(_EVALUATOR)), (_EVALUATOR,))
        try:
            return subprocess.Popen(
                argv,
                stdin=given,
                stdout=said,
                stderr=subprocess.DEVNULL,
                env={"PATH": os.defpath, "LC_ALL": "C.UTF-8"},
                cwd="/",
                start_new_session=True,
            )
        except OSError as error:
            raise EngineError(f"the evaluator of policies can't be started: {error.strerror}") from error

    def _wait(
        self, process: subprocess.Popen[bytes], limits: PolicyLimits, watch: Watch, deadline: float
    ) -> str:
        """Wait for the end; return why it did not answer everything, empty where it ended well."""
        next_tick = 0.0
        while True:
            now = time.monotonic()
            if now >= next_tick:
                next_tick = now + _TICK_SECONDS
                if watch.tick() is not Stop.GO_ON:
                    raise Interrupted("judging by policies was interrupted")
            with contextlib.suppress(subprocess.TimeoutExpired):
                code = process.wait(_POLL_SECONDS)
                return _why(code, limits.memory)
            if time.monotonic() >= deadline:
                return f"the set took longer than {limits.seconds} seconds"


def _why(code: int, memory: int) -> str:
    if not code:
        return ""
    number = -code if code < 0 else code - 128
    if number == signal.SIGXCPU:
        return "the set took too long"
    if code == _OUT_OF_MEMORY:
        return f"it needs more than {memory >> 20} MB of memory"
    return "the evaluator broke off: it found no end, or an error of its own"


def _kill(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _read(said: IO[bytes], ended: str) -> Answers:
    lines: dict[str, Mapping[str, Any]] = {}
    last = ""
    while line := said.readline(_LONGEST_LINE):
        try:
            answer = json.loads(line)
        except ValueError:
            break  # it was cut off in the middle
        last = answer["name"]
        if "begins" not in answer:
            lines[last] = answer
    return Answers(lines, ended, last)
