"""Starts the supervisor that judges: in the sandbox if there is one, once for all sets that judge a plan.

Policies come from a repository that the operator trusts less than the server: they get no environment, no
network, and of the files only what Python, OPA and the supervisor need (promise 5).
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
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import IO, Any

from bot.domain.errors import EngineError, Interrupted
from bot.policies.inside.job import SetJob
from bot.policies.programs import Opa
from bot.services.ports import Watch, WatchSignal

_INSIDE = Path(__file__).with_name("inside")
_START = "import sys; sys.path.insert(0, sys.argv[1]); from inside.supervisor import main; sys.exit(main())"
_POLL_SECONDS = 0.02
_TICK_SECONDS = 1.0
# Seconds that the supervisor may take in addition to its sets.
_GRACE_SECONDS = 20
_LONGEST_LINE = 1 << 27

ClosedIn = Callable[[tuple[str, ...], tuple[Path, ...]], tuple[str, ...]]
"""Returns the command that runs another one in the sandbox, where it can read the paths."""


@dataclass
class Answers:
    """The answers of the supervisor for one set.

    `policies` are those that were found: name, file, and whether by Conftest's convention. `wrong` says why
    none of them could be evaluated. `facts` are for the cache, if the set was not in it.
    """

    policies: list[tuple[str, str, bool]] = field(default_factory=list)
    wrong: str = ""
    facts: Mapping[str, Any] | None = None
    by_policy: dict[str, Mapping[str, Any]] = field(default_factory=dict)

    def of(self, name: str) -> Mapping[str, Any]:
        """Return the answer to a policy. A missing answer is an error, never a pass."""
        if self.wrong:
            return {"error": self.wrong}
        return self.by_policy.get(name, {"error": "the evaluator gave no answer"})


class Child:
    """Starts supervisors."""

    def __init__(self, closed_in: ClosedIn) -> None:
        self._closed_in = closed_in

    def ask(
        self, sets: Sequence[SetJob], plan: bytes, run: Mapping[str, Any], opa: Opa | None, watch: Watch
    ) -> list[Answers]:
        """Judge a plan by sets. Raises Interrupted if the watcher says so, EngineError."""
        header = {
            "sets": [asdict(each) for each in sets],
            "run": dict(run),
            "opa": {"program": str(opa.path), "capabilities": opa.capabilities} if opa else None,
        }
        deadline = time.monotonic() + sum(each.seconds for each in sets) + _GRACE_SECONDS
        with tempfile.TemporaryFile() as given, tempfile.TemporaryFile() as said:
            given.write(json.dumps(header).encode() + b"\n" + plan)
            given.seek(0)
            process = self._start(given, said, opa)
            try:
                ended = _wait(process, watch, deadline)
            finally:
                _kill(process)
            said.seek(0)
            return _read(said, len(sets), ended)

    def _start(self, given: IO[bytes], said: IO[bytes], opa: Opa | None) -> subprocess.Popen[bytes]:
        # The sandbox must show these files, also if they are in a home folder that it hides.
        reads = (_INSIDE, opa.path) if opa else (_INSIDE,)
        argv = self._closed_in((sys.executable, "-I", "-c", _START, str(_INSIDE.parent)), reads)
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


def _wait(process: subprocess.Popen[bytes], watch: Watch, deadline: float) -> str:
    """Wait for the end; return why it did not answer everything, empty if it ended well."""
    next_tick, pause = 0.0, _POLL_SECONDS / 20
    while True:
        now = time.monotonic()
        if now >= next_tick:
            next_tick = now + _TICK_SECONDS
            if watch.tick() is not WatchSignal.GO_ON:
                raise Interrupted("judging by policies was interrupted")
        # It stays a zombie until its children are ended too, so that no other process gets its number.
        ended = os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        if ended is not None:
            return "the evaluator broke off" if ended.si_status else ""
        if time.monotonic() >= deadline:
            return "judging took too long"
        time.sleep(pause)
        pause = min(pause * 2, _POLL_SECONDS)


def _kill(process: subprocess.Popen[bytes]) -> None:
    # Its children are in its process group, so that none of them outlives it.
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _read(said: IO[bytes], count: int, ended: str) -> list[Answers]:
    found = [Answers() for _ in range(count)]
    heard = set()
    while line := said.readline(_LONGEST_LINE):
        try:
            answer = json.loads(line)
        except ValueError:
            break  # it was cut off in the middle
        of = found[answer["set"]]
        if "policies" in answer:
            heard.add(answer["set"])
            of.policies = [tuple(each) for each in answer["policies"]]
            of.facts = answer.get("facts")
            of.wrong = answer.get("wrong", "")
        else:
            of.by_policy[answer["name"]] = answer
    for index, of in enumerate(found):
        if index not in heard:
            of.wrong = ended or "the evaluator gave no answer"
    return found
