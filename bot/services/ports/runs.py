"""Where workspaces, runs, what belongs to them, and who works on them are kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Protocol

from bot.domain.events import RepoRef
from bot.domain.run import Run, RunEvent
from bot.domain.workspace import Lock, Workspace


class Workspaces(Protocol):
    """Workspaces, as the configuration names them or discovery found them."""

    def get(self, workspace_id: str, *, for_update: bool = False) -> Workspace:
        """Return a workspace; `for_update` makes others wait until this transaction ends. Raises NotFound."""
        ...

    def named(self, name: str) -> Workspace:
        """Return a workspace by its name. Raises NotFound."""
        ...

    def of_repo(self, repo: RepoRef) -> Sequence[Workspace]:
        """Return the active workspaces of a repository, by name."""
        ...

    def all(self) -> Sequence[Workspace]:
        """Return every active workspace, by name."""
        ...

    def put(self, workspace: Workspace) -> Workspace:
        """Insert or update by name, keeping the id and the lock of one that is there; return what stands."""
        ...

    def set_lock(self, workspace_id: str, lock: Lock | None) -> None:
        """Lock or unlock. Raises NotFound."""
        ...


class Runs(Protocol):
    """Runs, their queue and their timeline."""

    def add(self, run: Run, event: RunEvent) -> Run:
        """Insert a run at the end of its workspace's queue, and return it with its sequence."""
        ...

    def get(self, run_id: str) -> Run:
        """Return a run. Raises NotFound."""
        ...

    def save(self, run: Run, event: RunEvent | None = None) -> Run:
        """Update a run and its timeline; return it with its new version.

        Raises Conflict where the row's version is not the run's.
        """
        ...

    def find(self, query: RunQuery) -> Sequence[Run]:
        """Return the runs that match, newest first."""
        ...

    def queue(self, workspace_id: str) -> Sequence[Run]:
        """Return the unfinished runs that may apply, in the order of the queue; a holder comes first."""
        ...

    def timeline(self, run_id: str) -> Sequence[RunEvent]:
        """Return the run's events, oldest first."""
        ...

    def note(self, event: RunEvent) -> None:
        """Add a line to a run's timeline without changing the run."""
        ...


@dataclass(frozen=True)
class RunQuery:
    """Which runs to find; what is None does not matter."""

    workspace_id: str | None = None
    repo: RepoRef | None = None
    commit: str | None = None
    change_number: int | None = None
    plan_only: bool | None = None
    statuses: frozenset[str] | None = None
    limit: int = 100
    offset: int = 0


class ArtifactKind(StrEnum):
    """What is kept of a run, encrypted."""

    SAVED_PLAN = "saved plan"
    PLAN_JSON = "plan json"
    DEPENDENCY_LOCK = "dependency lock"
    VARIABLES = "variables"
    ERRORED_STATE = "errored state"
    BASIS = "basis"
    # What pages show of the plan: made of its JSON once, masked, and quick to look things up in.
    PLAN_VIEW = "plan view"
    # Since when the change tells of the plan.
    SHOWN = "shown"


class Artifacts(Protocol):
    """A run's files (encrypted at rest) and its output (masked before it gets here)."""

    def put(self, run_id: str, kind: ArtifactKind, data: bytes) -> None:
        """Keep a file of a run, in place of an earlier one."""
        ...

    def get(self, run_id: str, kind: ArtifactKind) -> bytes | None:
        """Return a file of a run, None where there is none."""
        ...

    def append_output(self, run_id: str, stage: str, text: str) -> None:
        """Add to the output of a stage (`plan` or `apply`)."""
        ...

    def output(self, run_id: str, stage: str, offset: int = 0) -> str:
        """Return a stage's output from a character offset."""
        ...

    def clear_output(self, run_id: str, stage: str) -> None:
        """Forget a stage's output: the stage starts again."""
        ...


class Leases(Protocol):
    """Who works on what, with a fencing number that only grows (promise 3)."""

    def take(self, name: str, owner: str, now: datetime, ttl: timedelta) -> int | None:
        """Take a lease that nobody holds at `now`; return its fencing number, None where somebody does."""
        ...

    def renew(self, name: str, fence: int, now: datetime, ttl: timedelta) -> None:
        """Hold on. Raises LeaseLost where another has taken it since."""
        ...

    def check(self, name: str, fence: int) -> None:
        """Make sure, within this transaction, that the lease is still ours. Raises LeaseLost."""
        ...

    def release(self, name: str, fence: int, now: datetime) -> None:
        """Let go; nothing happens where another has it."""
        ...

    def held(self, names: Sequence[str], now: datetime) -> frozenset[str]:
        """Return those of the names that somebody holds at `now`."""
        ...
