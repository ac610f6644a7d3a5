"""Policies: judging a plan, fetching sets, and storing results and replays."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from bot.domain.policies.policy import EnforcementLevel, PolicyCheck, PolicyOutcome
from bot.domain.policies.sets import USUAL_LIMITS, USUAL_NAMESPACES, PolicyLimits
from bot.domain.reports.replays import Replay
from bot.services.ports.engine import Watch
from bot.services.ports.forge import GitRemote

Files = Mapping[str, bytes]
"""A set's files by their paths in its folder."""


@dataclass(frozen=True)
class SetVersion:
    """A policy set at one point in time. Its id is a hash of the files.

    `origin` says where the files come from. `commit` is empty for a folder of the server.
    """

    id: str
    set_name: str
    origin: str
    commit: str
    files: Files = field(repr=False)
    seen_at: datetime


@dataclass(frozen=True)
class PolicyJob:
    """One set to judge one plan by. `level` is the default for policies without a level.

    `namespaces` are the packages whose rules are policies by Conftest's convention, `*` for all. If
    `needs_opa` is set, only OPA may judge.
    """

    files: Files = field(repr=False)
    level: EnforcementLevel
    plan_json: bytes = field(repr=False)
    run: Mapping[str, Any]
    limits: PolicyLimits = USUAL_LIMITS
    namespaces: tuple[str, ...] = USUAL_NAMESPACES
    needs_opa: bool = False


@dataclass(frozen=True)
class PolicyResult:
    """The result of one policy for a plan. `evaluator` is the program that evaluated it, with its version.

    `count` is the number of messages if there were more than are kept, otherwise 0.
    """

    policy: str
    level: EnforcementLevel
    outcome: PolicyOutcome
    messages: tuple[str, ...] = ()
    seconds: float = 0.0
    description: str = ""
    file: str = ""
    evaluator: str = ""
    count: int = 0


@dataclass(frozen=True)
class PolicyTest:
    """The result of one test in a set; `why` is empty if it passed."""

    name: str
    file: str
    why: str
    seconds: float


class PolicyEngine(Protocol):
    """Judges plans by sets of policies."""

    def judge(self, jobs: Sequence[PolicyJob], watch: Watch) -> Sequence[Sequence[PolicyResult]]:
        """Judge one plan by sets, in one go. A policy that can't be evaluated is errored, with a reason.

        All jobs have the same plan and run. Returns the results of each set. Raises Interrupted if the
        watcher says so, EngineError if no policy can be evaluated on this machine.
        """
        ...

    def test(self, files: Files) -> Sequence[PolicyTest]:
        """Run the rules of a set that are named `test_...`. Raises EngineError, Invalid."""
        ...


class SetFiles(Protocol):
    """Fetches the files of a set."""

    def local(self, folder: str) -> Files:
        """Return the files in a folder of this machine. Raises EngineError."""
        ...

    def at_commit(self, remote: GitRemote, commit: str, folder: str, watch: Watch) -> Files:
        """Return the files in a repository's folder at a commit, none if the folder does not exist.

        Raises RemoteUnavailable, EngineError, Interrupted.
        """
        ...


class PolicyChecks(Protocol):
    """Stores the results of policies, and the versions of the sets."""

    def keep_version(self, version: SetVersion) -> None:
        """Store a set's version. Does nothing if it is stored already."""
        ...

    def version(self, version_id: str) -> SetVersion:
        """Return a version with its files. Raises NotFound."""
        ...

    def fetched(self, set_name: str, origin: str, commit: str) -> SetVersion | None:
        """Return the version fetched from an origin at a commit, None if there is none."""
        ...

    def put(self, run_id: str, checks: Sequence[PolicyCheck]) -> None:
        """Store a run's checks. Replaces earlier ones."""
        ...

    def of_run(self, run_id: str) -> Sequence[PolicyCheck]:
        """Return a run's checks in the order in which they were stored."""
        ...

    def of_runs(self, run_ids: Iterable[str]) -> Mapping[str, Sequence[PolicyCheck]]:
        """Return the checks of each run that has some."""
        ...

    def origins(self, run_id: str) -> Mapping[str, tuple[str, str]]:
        """Return the origin and commit of each set that judged a run, by the set's name."""
        ...


class Replays(Protocol):
    """Stores replays of changed policy sets: one for each change, set and commit."""

    def add(self, replay: Replay) -> Replay:
        """Insert a replay, or return the existing one of the same change, set and commit."""
        ...

    def get(self, replay_id: str) -> Replay:
        """Return a replay. Raises NotFound."""
        ...

    def save(self, replay: Replay) -> None:
        """Store the state and result of a replay."""
        ...

    def of_change(self, change_id: str) -> Sequence[Replay]:
        """Return the replays of a change, by set, newest first."""
        ...

    def due(self, now: datetime, limit: int) -> Sequence[str]:
        """Return the ids of the replays that are due at `now`, oldest first."""
        ...
