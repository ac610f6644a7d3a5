"""Policies: what judges a plan, where sets come from, and where what they said is kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from bot.domain.policy import Level, Outcome, PolicyCheck
from bot.domain.policy_sets import USUAL_LIMITS, PolicyLimits
from bot.services.ports.engine import Watch
from bot.services.ports.forge import GitRemote

Files = Mapping[str, bytes]
"""A set's files by their paths in its folder."""


@dataclass(frozen=True)
class SetVersion:
    """A policy set as it was at one moment; its id is a hash of the files.

    `origin` says where they are from. `commit` is empty for a folder of the server.
    """

    id: str
    set_name: str
    origin: str
    commit: str
    files: Files = field(repr=False)
    seen_at: datetime


@dataclass(frozen=True)
class PolicyJob:
    """One set to judge one plan by. `level` is that of policies that say none of their own."""

    files: Files = field(repr=False)
    level: Level
    plan_json: bytes = field(repr=False)
    run: Mapping[str, Any]
    limits: PolicyLimits = USUAL_LIMITS


@dataclass(frozen=True)
class Judged:
    """What one policy said of a plan."""

    policy: str
    level: Level
    outcome: Outcome
    messages: tuple[str, ...] = ()
    seconds: float = 0.0
    description: str = ""
    file: str = ""


@dataclass(frozen=True)
class PolicyTest:
    """How one test of a set's own ended; `why` is empty where it passed."""

    name: str
    file: str
    why: str
    seconds: float


class PolicyEngine(Protocol):
    """Judges plans by sets of policies."""

    def judge(self, job: PolicyJob, watch: Watch) -> Sequence[Judged]:
        """Judge a plan by every policy of a set; one that can't be evaluated is errored, and says why.

        Raises Interrupted where the watcher says so, EngineError where nothing can be evaluated here.
        """
        ...

    def test(self, files: Files) -> Sequence[PolicyTest]:
        """Run the rules named `test_...` of a set. Raises EngineError, Invalid."""
        ...


class SetFiles(Protocol):
    """Brings a set's files here."""

    def local(self, folder: str) -> Files:
        """Return the files of a folder of this machine. Raises EngineError."""
        ...

    def at_commit(self, remote: GitRemote, commit: str, folder: str, watch: Watch) -> Files:
        """Return the files of a repository's folder at a commit, none where there is no such folder.

        Raises RemoteUnavailable, EngineError, Interrupted.
        """
        ...


class PolicyChecks(Protocol):
    """What policies said of runs, and the sets' versions that said it."""

    def keep_version(self, version: SetVersion) -> None:
        """Keep a set's version; nothing happens where it is kept."""
        ...

    def version(self, version_id: str) -> SetVersion:
        """Return a version with its files. Raises NotFound."""
        ...

    def fetched(self, set_name: str, origin: str, commit: str) -> SetVersion | None:
        """Return what was fetched from a place at a commit before, None where it was not."""
        ...

    def put(self, run_id: str, checks: Sequence[PolicyCheck]) -> None:
        """Keep a run's checks, in place of earlier ones."""
        ...

    def of_run(self, run_id: str) -> Sequence[PolicyCheck]:
        """Return a run's checks in the order in which they were put."""
        ...

    def origins(self, run_id: str) -> Mapping[str, tuple[str, str]]:
        """Return where each set that judged a run came from: name of the set to origin and commit."""
        ...
