"""Findings of checks, and running checks in parallel with a time limit."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from threading import Thread

from bot.domain.errors import PlangateError


class State(StrEnum):
    """Whether a part is in order."""

    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"


@dataclass(frozen=True)
class Finding:
    """One line: the part, what was found, and what to do; empty if there is nothing to do."""

    state: State
    name: str
    found: str
    advice: str = ""


Check = Callable[[], Iterator[Finding]]


def ok(name: str, found: str, advice: str = "") -> Finding:
    """Return that a part is in order."""
    return Finding(State.OK, name, found, advice)


def warning(name: str, found: str, advice: str) -> Finding:
    """Return that a part works, but needs attention."""
    return Finding(State.WARNING, name, found, advice)


def failed(name: str, found: str, advice: str) -> Finding:
    """Return that a part does not work."""
    return Finding(State.FAILED, name, found, advice)


def examine(checks: Mapping[str, Check], seconds: float) -> list[Finding]:
    """Run all checks in parallel and return their findings, in the order of the checks.

    A check that takes longer than `seconds` is abandoned; its findings so far count, and a timeout is added.
    """
    examining = [_Examination(name, check) for name, check in checks.items()]
    for each in examining:
        each.start()
    until = time.monotonic() + seconds
    findings = []
    for each in examining:
        each.join(max(until - time.monotonic(), 0))
        findings += each.findings()
        if each.is_alive():
            hangs = f"did not answer within {seconds:.0f} seconds"
            findings.append(failed(each.name, hangs, "Check whether it or the network to it is overloaded"))
        elif not each.finished:
            findings.append(failed(each.name, "the check itself failed", "See the traceback above"))
    return findings


class _Examination(Thread):
    """A running check; a daemon thread, so that a hanging check does not keep the process alive."""

    def __init__(self, name: str, check: Check) -> None:
        super().__init__(name=name, daemon=True)
        self._check = check
        self._findings: list[Finding] = []
        self.finished = False

    def run(self) -> None:
        """Run the check; an error of ours is a finding too."""
        try:
            for finding in self._check():
                self._findings.append(finding)
        except (PlangateError, OSError) as error:
            self._findings.append(failed(self.name, str(error), "Correct what it names, then run this again"))
        self.finished = True

    def findings(self) -> list[Finding]:
        """Return the findings so far."""
        return list(self._findings)
